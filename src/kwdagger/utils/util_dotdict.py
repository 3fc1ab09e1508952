"""The old name of `kwdagger.results.dotdict`."""

from kwdagger.results.dotdict import DotDict

__all__ = ['DotDict']
