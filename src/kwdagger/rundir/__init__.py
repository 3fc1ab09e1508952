"""Run directories and session records: their names, contents, claims and scripts."""
