"""Training: data, losses, augmentation, steps and the loop. Imports `gan` and `ops`, never `metrics`."""
