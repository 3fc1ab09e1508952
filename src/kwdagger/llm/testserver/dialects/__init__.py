"""The protocols that the front speaks: bodies in, lines out. Nothing here knows a socket."""
