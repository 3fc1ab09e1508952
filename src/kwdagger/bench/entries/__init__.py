"""A benchmark configuration, read: one form for every generation of its keys."""
