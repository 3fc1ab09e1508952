"""`Refusal`: an answer that is an error, given before anything was streamed."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """A status and a message for the client; the dialect decides how the body looks."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def missing_model(name: str) -> Refusal:
    """Return the refusal of a model that is not on disk."""
    return Refusal(404, f"model '{name}' not found")


def server_busy() -> Refusal:
    """Return the refusal of a full queue."""
    return Refusal(503, 'server busy, please try again: the queue of requests is full')
