"""Text, tables and files for people."""
