"""Configurations: several YAML files, read and merged into one mapping that knows its lines."""
