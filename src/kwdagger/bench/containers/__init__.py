"""A benchmark session in a container: the ``docker run`` that makes it."""
