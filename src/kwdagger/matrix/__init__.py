"""The parameter-matrix language: from what a params file says to the rows of a sweep.

>>> from kwdagger.matrix import expand, varied
>>> rows = expand({'matrix': {'fit.depth': [1, 2], 'fit.seed': 7}})
>>> rows
[{'fit.depth': 1, 'fit.seed': 7}, {'fit.depth': 2, 'fit.seed': 7}]
>>> varied(rows)
{'fit.depth': [1, 2]}
"""

from kwdagger.matrix.expansion import Configuration, expand
from kwdagger.matrix.grid import Matrix, exclude_items, read_grids
from kwdagger.matrix.variation import varied

__all__ = ['Configuration', 'Matrix', 'exclude_items', 'expand', 'read_grids', 'varied']
