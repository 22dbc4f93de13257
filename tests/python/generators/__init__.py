"""Small checkpoints, key for key as the papers' public code writes them, and the networks that code evaluates them with."""
