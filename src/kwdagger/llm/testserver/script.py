"""`TimingScript`: how long everything takes, in closed form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimingScript:
    """The delays of a scripted server; all in seconds.

    An answer of n tokens that runs alone takes ``prefill + (n - 1) gaps``: its first token comes
    `prefill_seconds` after the request got its slot, each further one a gap later.

    Attributes:
        load_s, unload_s: loading a model, and unloading it.
        prefill_s_per_token: for each token of the prompt.
        first_token_extra_s: added to the time until the first token.
        itl_s: gaps between tokens, taken in turn and repeated.
        tokens_per_chunk: tokens that leave the server together, when the last of them is there.
        slowdown: each further busy slot of the same model makes gaps longer by this share.
        pull_s: pulling a model.
    """

    load_s: float = 0.0
    unload_s: float = 0.0
    prefill_s_per_token: float = 0.0
    first_token_extra_s: float = 0.0
    itl_s: tuple[float, ...] = (0.0,)
    tokens_per_chunk: int = 1
    slowdown: float = 0.0
    pull_s: float = 0.0

    def prefill_seconds(self, prompt_tokens: int) -> float:
        """Return the time from the slot to the first token."""
        return self.prefill_s_per_token * prompt_tokens + self.first_token_extra_s

    def gap_seconds(self, number: int, busy: int) -> float:
        """Return the time between token `number` (0-based) and the next.

        Args:
            busy: slots of the model in use, this one included.
        """
        gap = self.itl_s[number % len(self.itl_s)]
        return gap * (1.0 + self.slowdown * max(0, busy - 1))
