"""HyperQueue: the whole hand-out as one job graph, on a cluster of our own or a server."""
