"""Load tests as `hey` makes them: the same request, many times, at given concurrencies."""
