"""Benchmark sessions: entries of a configuration become nodes and rows of an ordinary sweep."""
