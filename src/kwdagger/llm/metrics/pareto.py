"""Which runs nobody beats: more throughput can only be had for more latency."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float | None, float | None]]) -> list[bool]:
    """Return for each ``(throughput, latency)`` whether no other one beats it.

    One point beats another if it is at least as good in both and better in one: more throughput,
    less latency. A point that lacks a value is never on the front and beats nothing.
    """
    known = [
        (throughput, latency)
        for throughput, latency in points
        if throughput is not None and latency is not None
    ]
    front = []
    for throughput, latency in points:
        if throughput is None or latency is None:
            front.append(False)
            continue
        beaten = any(
            more >= throughput and less <= latency and (more, less) != (throughput, latency)
            for more, less in known
        )
        front.append(not beaten)
    return front
