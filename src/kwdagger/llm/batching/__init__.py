"""Batches: every prompt of a file answered once, by whichever servers are there."""
