"""Server side: train, compress and export models for the runtime (extra `export`)."""
