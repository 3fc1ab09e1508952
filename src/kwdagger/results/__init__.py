"""From run directories to one table: discovery, loading, the results index."""
