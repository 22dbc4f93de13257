"""Training speech from synthesisers: text to spoken form, voices of installed packages, a cached corpus."""
