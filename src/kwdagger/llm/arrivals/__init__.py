"""When requests are sent, decided before the first of them: nanoseconds from the start of a load.

Pure and seeded, so that a load can be repeated to the request.
"""

from __future__ import annotations

from kwdagger.llm.arrivals.processes import constant, gaps, poisson, stretched, times_until
from kwdagger.llm.arrivals.trace import read_trace, trace

__all__ = ['constant', 'gaps', 'poisson', 'read_trace', 'stretched', 'times_until', 'trace']
