"""Sinks: what is told of a session elsewhere, such as a tracker, a chat or a file."""
