"""Images for training: `archive` reads data sets, `sampler` orders them."""
