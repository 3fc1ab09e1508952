"""Confidence intervals by resampling."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ENOUGH = 5
"""Fewer values than this on a side have too few different resamples."""
_NO_SPREAD = 1e-9
_AT_A_TIME = 1_000_000  # values drawn, so that long series take no more memory


def generator(seed: int, name: str) -> np.random.Generator:
    """Return random numbers of a series' own: other series do not change its interval."""
    import numpy as np

    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def bootstrap_interval(
    sides: Sequence[Sequence[float]],
    confidence: float,
    resamples: int,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Return the bootstrap-t interval of a mean, or of the second of two means minus the first.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), section 12.5.
    """
    import numpy as np

    arrays = [np.asarray(side, dtype=float) for side in sides]
    signs = [-1.0, 1.0][-len(arrays) :]
    center = sum(sign * float(side.mean()) for sign, side in zip(signs, arrays, strict=True))
    error = math.sqrt(sum(float(side.var(ddof=1)) / len(side) for side in arrays))
    means, squares = np.zeros(resamples), np.zeros(resamples)
    for sign, side in zip(signs, arrays, strict=True):
        mean, square = _resampled(side, resamples, random)
        means += sign * mean
        squares += square
    usable = squares > (_NO_SPREAD * error) ** 2
    if not error or not usable.any():
        return center, center
    t = means[usable] / np.sqrt(squares[usable])
    above, below = np.quantile(t, [(1 + confidence) / 2, (1 - confidence) / 2])
    return center - float(above) * error, center - float(below) * error


def _resampled(
    side: np.ndarray, resamples: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of resamples, less the mean of the side, and their squared errors."""
    import numpy as np

    count, centered = len(side), side - side.mean()
    means, squares = [], []
    rows = max(1, _AT_A_TIME // count)
    for done in range(0, resamples, rows):
        size = min(rows, resamples - done)
        drawn = centered.take(random.integers(0, count, (size, count)))
        mean = drawn.mean(axis=1)
        means.append(mean)
        squares.append((np.einsum('ij,ij->i', drawn, drawn) / count - mean**2) / (count - 1))
    return np.concatenate(means), np.concatenate(squares)
