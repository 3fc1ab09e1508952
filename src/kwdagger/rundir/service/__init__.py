"""A service beside jobs: the call that waits for it, and the keeper that owns it.

Run scripts carry the text of these files (see `text.py`): standard library only.
"""
