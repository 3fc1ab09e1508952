"""Comparing: whether one set of measurements is better or worse than another, and how sure."""
