"""Verbs about the records of schedule calls: ``kwdagger session VERB``."""
