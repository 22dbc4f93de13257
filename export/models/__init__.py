"""The torch reference networks."""
