"""The helper that a benchmark's run script starts in the program's place.

It does what bash cannot: separate logs, telemetry, a Ray cluster of the entry's own, and the
verdict on what the program left. Claim, time limit, retries and the record are the script's.
Little is imported at the start: each job pays for it.
"""
