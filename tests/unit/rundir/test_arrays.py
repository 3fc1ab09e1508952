"""Arrays on disk: what was written is read, and lost answers show."""

import pytest

from kwdagger.errors import DuplicateName, InvalidValue
from kwdagger.rundir.arrays import append_submission, read_arrays, unanswered, write_array
from kwdagger.rundir.layout import SessionDirectory

ROWS = (('a_id_1', '/r/a/a_id_1'), ('a_id_2', '/r/with tab\tand space/a_id_2'))


@pytest.fixture
def session(tmp_path):
    return SessionDirectory(str(tmp_path), 's1')


def test_a_session_without_arrays_has_none(session):
    assert read_arrays(session) == []


def test_rows_and_script_come_back(session):
    path = write_array(session, 'kwdagger-s1-1-a', 'echo\n', ROWS)
    [array] = read_arrays(session)
    assert (array.name, array.rows, array.submissions) == ('kwdagger-s1-1-a', ROWS, ())
    with open(path, encoding='utf-8') as file:
        assert file.read() == 'echo\n'


def test_a_name_is_given_once(session):
    write_array(session, 'x', '', ROWS)
    with pytest.raises(DuplicateName, match="'x'"):
        write_array(session, 'x', '', ())
    assert read_arrays(session)[0].rows == ROWS


def test_a_path_with_a_line_break_is_refused(session):
    with pytest.raises(InvalidValue, match='line break'):
        write_array(session, 'x', '', [('a', '/r\n/a')])


@pytest.mark.parametrize(
    ('calls', 'expected', 'lost'),
    [
        ([(0, 1)], [(0, 1, None)], 1),
        ([(0, 1), (0, 1, '7')], [(0, 1, '7')], 0),
        ([(0, 1), (0, 1, None, 'limit'), (0, 0), (0, 0, '8')], [(0, 0, '8')], 0),
        ([(0, 0), (0, 0, '8'), (1, 1)], [(0, 0, '8'), (1, 1, None)], 1),
        ([(0, 1), (0, 1, None, 'busy')], [], 0),
    ],
)
def test_an_answer_settles_its_call(session, calls, expected, lost):
    write_array(session, 'x', '', ROWS)
    for call in calls:
        append_submission(session, 'x', *call)
    arrays = read_arrays(session)
    found = [(one.first, one.last, one.job_id) for one in arrays[0].submissions]
    assert found == expected
    assert len(unanswered(arrays)) == lost


def test_the_job_of_a_task_is_the_last_one_it_was_submitted_under(session):
    write_array(session, 'x', '', ROWS)
    for call in [(0, 1, '7'), (1, 1, '9')]:
        append_submission(session, 'x', *call)
    [array] = read_arrays(session)
    assert [array.job_of(task) for task in (0, 1, 2)] == ['7', '9', None]
