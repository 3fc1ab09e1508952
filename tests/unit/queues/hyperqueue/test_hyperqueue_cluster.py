"""The end of a cluster of our own."""

import pytest

from kwdagger.queues.hyperqueue.cluster import Cluster

# What pyo3 raises where Rust panics: no `Exception`.
PanicException = type('PanicException', (BaseException,), {})


class Local:
    def __init__(self, problem):
        self.problem = problem

    def stop(self):
        raise self.problem


def test_a_server_that_failed_by_itself_can_be_closed():
    Cluster(None, 'folder', Local(PanicException('Server did not stop correctly'))).close()


@pytest.mark.parametrize('problem', [KeyboardInterrupt(), RuntimeError('another')])
def test_nothing_else_is_passed_over(problem):
    with pytest.raises(type(problem)):
        Cluster(None, 'folder', Local(problem)).close()
