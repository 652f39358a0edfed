"""A finished model and its files: checkpoints, their cards, weights of other models, import and export."""
