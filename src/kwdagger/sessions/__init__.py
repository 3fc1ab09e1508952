"""One schedule call: its record, what it hands out, its progress and its outcome."""
