"""Prompts: what models are asked, read from files."""
