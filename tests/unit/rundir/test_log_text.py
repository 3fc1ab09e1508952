"""Lines of logs as they are shown."""

import pytest

from kwdagger.rundir.log_text import shown_line


@pytest.mark.parametrize(
    ('line', 'shown'),
    [
        ('plain text\r\n', 'plain text'),
        ('\x1b[1;31mred\x1b[0m', 'red'),
        ('1 %\r50 %\r100 %\r', '100 %'),
        ('title \x1b]0;gone\x07, nul \x00', 'title ?]0;gone?, nul ?'),
        ('a\tb\xa0c é 漢字', 'a\tb\xa0c é 漢字'),
        ('safe \u202etxt.exe', 'safe ?txt.exe'),
        ('', ''),
    ],
)
def test_what_a_terminal_would_act_on_is_not_shown(line, shown):
    assert shown_line(line) == shown
