"""Architecture search (AutoTinyBERT): shapes, their latency on this machine, evolution under a budget."""
