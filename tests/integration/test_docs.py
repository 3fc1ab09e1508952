"""What the documentation shows is run here, and what it points to must exist.

Comments in the pages say what a block is; each stands right before its code block:

``.. file: NAME``       the block is a file of that name
``.. run``              bash or Python to run in the page's folder; ``.. run: exit 1`` where
                        that is the exit code; ``.. run: setup`` also for pages that start here;
                        ``.. run: background`` until the page ends, and on with the page once it
                        printed a line
``.. output``           what the last run prints: these lines in this order, ``...`` is anything
``.. start from: PAGE`` begin with the files and the setup of another page
``.. start in: FOLDER`` begin in a copy of that folder of the project
``.. not run: REASON``  neither
``.. checked``          the lines of the table are tried, each by the test of that page
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import kwdagger.__main__ as main_command
from kwdagger.__main__ import main
from kwdagger.analysis.query import evaluate
from kwdagger.bench import command as bench_command
from kwdagger.bench.job.environment import environment_record
from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.telemetry import COLUMNS
from kwdagger.bench.job.verdict import Verdict
from kwdagger.bench.job_spec import JobSpec
from kwdagger.errors import UserError
from kwdagger.llm import command as llm_command
from kwdagger.llm.testserver.embedded import running_server
from kwdagger.matrix import expand
from kwdagger.session import command as session_command
from kwdagger.specs.yaml_reader import load_yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / 'docs'
README = ROOT / 'README.rst'
PAGES = sorted(DOCS.rglob('*.rst'))
RUN_PAGES = [page for page in PAGES if page.parent.name in ('tutorials', 'howto')]

_MARKER = re.compile(r'\.\. (file|run|output|start from|start in|not run)(?:: (.*))?\Z')
_BLOCK = re.compile(r'\.\. code-block:: (\w+)\Z')
_LINK = re.compile(r'`[^`<]*<([^`>]+)>`__?')
_TABLE = re.compile(r'^\.\. checked\n\.\. list-table::\n((?: .*\n|\n)+)', re.MULTILINE)
_ROW = re.compile(r'^   \* - ``(.+)``\n     - (.+(?:\n       .+)*)$', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A code block of a page, or a marker that needs none (language '')."""

    marker: str
    argument: str
    language: str
    text: str
    line: int


def names(pages):
    return [os.path.relpath(page, DOCS) for page in pages]


def blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text().splitlines()
    marker, argument = '', ''
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if match := _MARKER.match(line):
            marker, argument = match[1], match[2] or ''
            if marker in ('start from', 'start in'):
                yield Block(marker, argument, '', '', place)
                marker, argument = '', ''
        elif match := _BLOCK.match(line):
            start = place
            while place < len(lines) and (not lines[place] or lines[place].startswith(' ')):
                place += 1
            text = textwrap.dedent('\n'.join(lines[start:place])).strip('\n') + '\n'
            yield Block(marker, argument, match[1], text, start)
            marker, argument = '', ''
        elif line:
            marker, argument = '', ''


class Session:
    """Runs the blocks of one page in one folder, as somebody who types them in one shell."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.cwd = folder
        self.printed = ''
        self.background: list[subprocess.Popen[str]] = []

    def play(self, page: Path, only_setup: bool = False) -> None:
        for block in blocks(page):
            where = f'{page.relative_to(DOCS)} line {block.line}'
            if block.marker == 'start from':
                self.play(DOCS / block.argument, only_setup=True)
            elif block.marker == 'start in':
                self.cwd = self.home / Path(block.argument).name
                shutil.copytree(ROOT / block.argument, self.cwd)
            elif block.marker == 'run' and block.argument == 'background':
                self.start(block, where)
            elif block.marker == 'file':
                (self.cwd / block.argument).write_text(block.text)
            elif block.marker == 'run' and (not only_setup or block.argument == 'setup'):
                self.run(block, where)
            elif block.marker == 'output' and not only_setup:
                assert_printed(block.text, self.printed, where)

    def run(self, block: Block, where: str) -> None:
        code = int(block.argument.split()[1]) if block.argument.startswith('exit') else 0
        place = self.home / '.cwd'
        if block.language == 'python':
            words = [sys.executable, '-c', block.text]
        else:
            text = f"trap 'pwd >{place}' EXIT\nset -euo pipefail\n{block.text}"
            words = ['bash', '-c', text]
        done = subprocess.run(
            words,
            cwd=self.cwd,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        self.printed = done.stdout
        assert done.returncode == code, f'{where}: exit code {done.returncode}\n{done.stdout}'
        if place.exists():
            self.cwd = Path(place.read_text().strip())

    def start(self, block: Block, where: str) -> None:
        process = subprocess.Popen(
            ['bash', '-c', block.text],
            cwd=self.cwd,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.background.append(process)
        assert process.stdout is not None
        self.printed = process.stdout.readline()
        assert self.printed, f'{where}: it printed nothing'

    def close(self) -> None:
        for process in self.background:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=240)

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
            'XDG_CACHE_HOME': str(self.home / '.cache'),
            'PYTHONWARNINGS': '',
            'PYTHONUNBUFFERED': '1',  # warnings stand where a terminal would show them
            'LC_ALL': 'C',  # the order of `ls`
        }


def assert_printed(expected: str, printed: str, where: str) -> None:
    """Each fragment between ``...`` comes after the one before it; blanks count as one."""
    rest = ' '.join(printed.split())
    for line in expected.splitlines():
        for fragment in map(str.strip, line.split('...')):
            wanted = ' '.join(fragment.split())
            assert wanted in rest, f'{where}: {line!r} is not in what was printed:\n{printed}'
            rest = rest[rest.index(wanted) + len(wanted) :]


@pytest.mark.parametrize('page', RUN_PAGES, ids=names(RUN_PAGES))
def test_what_a_page_shows_works(page, tmp_path):
    with contextlib.closing(Session(tmp_path)) as session:
        session.play(page)


@pytest.mark.parametrize('page', RUN_PAGES, ids=names(RUN_PAGES))
def test_every_block_says_what_it_is(page):
    unmarked = [block.line for block in blocks(page) if not block.marker]
    assert not unmarked
    assert any(block.marker == 'run' for block in blocks(page))


@pytest.mark.parametrize('page', PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page):
    for target in _LINK.findall(page.read_text()):
        if '://' not in target:
            path = (page.parent / target.partition('#')[0]).resolve()
            assert path.exists(), target


@pytest.mark.parametrize('page', [README, *PAGES], ids=names([README, *PAGES]))
def test_paths_that_are_mentioned_exist(page):
    mentioned = re.findall(r'``((?:src|docs|examples|tests|\.ci)/[\w./-]+)``', page.read_text())
    assert [path for path in mentioned if not (ROOT / path).exists()] == []


def test_every_page_is_on_the_map():
    linked = {
        (DOCS / target).resolve()
        for target in _LINK.findall((DOCS / 'index.rst').read_text())
        if '://' not in target
    }
    assert [page for page in PAGES if page not in linked and page.name != 'index.rst'] == []


_FOLDERS = ('bench', 'llm', 'session')
VERBS = [*(verb for verb in main_command.VERBS if verb not in _FOLDERS)]
VERBS += [f'session.{verb}' for verb in session_command.VERBS]
VERBS += [f'bench.{verb}' for verb in bench_command.VERBS]
VERBS += [f'llm.{verb}' for verb in llm_command.VERBS]


@pytest.mark.parametrize('verb', VERBS)
def test_every_option_is_in_the_reference(verb):
    module = __import__(f'kwdagger.{verb}', fromlist=['__cli__'])
    options = set(module.__cli__.__default__)
    text = (DOCS / 'reference' / f'{verb.replace(".", "_")}.rst').read_text()
    documented = set(re.findall(r'^``--([a-z_]+)``$', text, re.MULTILINE))
    assert documented == options


def test_every_key_of_a_benchmarks_files_is_in_the_reference(tmp_path):
    files = JobFiles(str(tmp_path))
    result = Verdict(JobSpec(name='e', run_dir=str(tmp_path)), 'true', files).record()
    page = (DOCS / 'reference' / 'bench_results.rst').read_text()
    telemetry = (DOCS / 'explanation' / 'telemetry.rst').read_text()
    told = set(re.findall(r'``(\w+)``', page)), set(re.findall(r'``(\w+)``', telemetry))
    assert {*result, *environment_record()} <= told[0]
    assert set(COLUMNS) <= told[1]


def test_readme_commands_do_what_they_show(tmp_path):
    readme = README.read_text()
    assert (ROOT / 'run_pipelines.sh').stat().st_mode & 0o111
    assert './run_pipelines.sh' in readme
    assert re.search(r'^ +python3 -m venv \.venv && .*-m pytest$', readme, re.MULTILINE)
    shown = {block.language: block.text for block in reversed([*blocks(README)]) if block.language}
    (tmp_path / 'pipeline.yaml').write_text(shown['yaml'])
    (tmp_path / 'compress.py').write_text(_README_COMPRESS)
    (tmp_path / 'check.py').write_text(_README_CHECK)
    for name in ('book.txt', 'table.csv'):
        (tmp_path / name).write_text('some text to pack\n' * 50)
    session = Session(tmp_path)
    session.run(
        Block('run', '', 'bash', shown['bash'].replace('"\n#', '" --run=1\n#'), 0), 'README'
    )
    assert '24 of 24 jobs done' in session.printed
    assert 'ratio' in session.printed


def test_the_benchmark_in_the_readme_works_as_it_stands(tmp_path):
    shown = next(block.text for block in blocks(README) if 'bench run' in block.text)
    session = Session(tmp_path)
    session.run(Block('run', '', 'bash', shown, 0), 'README')
    assert session.printed.count('2 of 2 jobs done') == 2
    assert re.search(r'pack level=9 +time_s ', session.printed)
    schedule_dir = tmp_path / 'nightly' / 'results' / '_kwdagger_schedule'
    assert 'tests="2" failures="0"' in (schedule_dir / 'tuesday' / 'junit.xml').read_text()


def test_the_commands_for_model_servers_in_the_readme_work(tmp_path):
    shown = next(block.text for block in blocks(README) if 'llm bench' in block.text)
    (tmp_path / 'prompts.jsonl').write_text('{"role": "user", "content": "One?"}\n')
    session = Session(tmp_path)
    with running_server(models='gemma3:1b', num_parallel=10) as server:
        text = shown.replace('http://localhost:11434', server.url)
        assert text != shown
        session.run(Block('run', '', 'bash', text, 0), 'README')
    for words in ('cold', 'Requests/sec', '1 of 1'):
        assert words in session.printed


_README_COMPRESS = """\
import argparse, gzip, lzma
parser = argparse.ArgumentParser()
for name in ('src', 'dst', 'codec', 'level'):
    parser.add_argument(f'--{name}')
args = parser.parse_args()
content = open(args.src, 'rb').read()
level = int(args.level)
packed = gzip.compress(content, level) if args.codec == 'gzip' else lzma.compress(content)
open(args.dst, 'wb').write(packed)
"""
_README_CHECK = """\
import argparse, json, os
parser = argparse.ArgumentParser()
for name in ('src', 'packed', 'report'):
    parser.add_argument(f'--{name}')
args = parser.parse_args()
ratio = os.path.getsize(args.src) / os.path.getsize(args.packed)
json.dump({'metrics': {'ratio': ratio}}, open(args.report, 'w'))
"""


def table_rows(page: str) -> list[tuple[str, str]]:
    tables = _TABLE.findall((DOCS / page).read_text())
    return [
        (left, ' '.join(right.split())) for table in tables for left, right in _ROW.findall(table)
    ]


@pytest.mark.parametrize(('grid', 'rows'), table_rows('reference/matrix.rst'))
def test_grids_give_the_rows_of_the_table(grid, rows):
    found = load_yaml(grid)
    if rows.startswith('error'):
        with pytest.raises(UserError, match=re.escape(re.findall(r'``(.+?)``', rows)[0])):
            expand(found)
    else:
        assert expand(found) == [load_yaml(row) for row in re.findall(r'``(.+?)``', rows)]


@pytest.mark.parametrize(('query', 'rows'), table_rows('reference/aggregate.rst'))
def test_queries_select_the_rows_of_the_table(query, rows):
    columns = {'k': [1, 2, None], 'name': ['ab', 'bc', 'ca'], 'x': [0.5, 1.5, 2.5]}
    found = [number for number, flag in enumerate(evaluate(query, columns, 3), 1) if flag]
    assert found == [int(number) for number in re.findall(r'\d+', rows)]


def test_there_are_tables_to_check():
    assert len(table_rows('reference/matrix.rst')) > 20
    assert len(table_rows('reference/aggregate.rst')) > 10
    assert len(table_rows('reference/errors.rst')) > 30


@pytest.mark.parametrize(('call', 'answer'), table_rows('reference/errors.rst'))
def test_bad_input_gets_the_documented_line(call, answer, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('a.txt').write_text('text')
    Path('measure.py').touch()
    specs = [block for block in blocks(DOCS / 'reference' / 'errors.rst') if block.language]
    for name, spec in zip(('PIPELINE', 'BENCH'), specs, strict=True):
        Path(f'{name}.yaml').write_text(spec.text)
    if not call.startswith('kwdagger '):
        Path('MORE.yaml').write_text(f'{call}\n')
        call = 'kwdagger bench check --config=BENCH --config=MORE.yaml'
    words = shlex.split(re.sub('PIPELINE|BENCH', r'\g<0>.yaml', call))[1:]
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert answer.strip('`') in shown
    assert shown.count('\n') == 1
    assert not Path('kwdagger_output').exists()
