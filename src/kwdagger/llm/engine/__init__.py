"""Sending: one HTTP/1.1 connection for each request in flight, every chunk timed."""
