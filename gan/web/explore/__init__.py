"""The page of `gan explore`: latent space by sliders, a map, uploads and points that are dragged."""
