"""Running what a plan handed out: every backend is a `cmd_queue.Queue`."""
