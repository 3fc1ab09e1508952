"""An entry as a node: a script, its arguments as parameters, measured anew in every session."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import kwdagger
from kwdagger.analysis.requirements import objective_of
from kwdagger.bench.entries.arguments import filled
from kwdagger.bench.job.verdict import plain
from kwdagger.bench.job_spec import JobSpec
from kwdagger.values import Value

RESULTS_FILE = 'results.json'
RESULTS_DIR = 'benchmark_results'
RESULTS_OPTION = '--benchmark-results-path'
_PYTHON = os.path.basename(sys.executable)


class ScriptNode(kwdagger.ProcessNode):
    """A script that is measured: one entry of a benchmark configuration, or a data setup.

    The parameters ``script`` and ``arguments`` hold what was written; options with a value are
    parameters of their own.

    Attributes:
        script_path: where the script is.
        job: fields of `JobSpec` that the entry gives its helper, but for those of one run.
        objectives: mappings with ``metric`` and ``objective``: which way is better.
    """

    out_paths = {'results': RESULTS_FILE}
    primary_out_key = 'results'
    algo_params = {'script': None, 'arguments': None}
    allow_extra_params = True
    repeat = 'session'
    extra_node_spec_keys = ('script_path', 'job', 'objectives')
    script_path: str = ''
    job: Mapping[str, Any] = {}
    objectives: Sequence[Mapping[str, Any]] = ()

    @property
    def is_measured(self) -> bool:
        """Whether the time that it takes is worth comparing: not that of a data setup."""
        return self.job.get('kind') != 'data_setup'

    @property
    def command(self) -> str:
        """The helper, what it has to know, and behind ``--`` the program."""
        helper = (
            f'{shlex.quote(_PYTHON)} -m kwdagger.bench.job {shlex.quote(self._spec().to_text())}'
        )
        return f'{helper} \\\n    -- {self.program}'

    @property
    def program(self) -> str:
        """The script and its arguments as shell text."""
        words = self._words()
        cut = words.index('--') if '--' in words else len(words)
        if self.job.get('kind') != 'data_setup' and not any(map(_is_results_option, words[:cut])):
            words[cut:cut] = [RESULTS_OPTION, self._in_run_dir(RESULTS_DIR)]
        starter = [_PYTHON] if self.script_path.endswith('.py') else []
        return shlex.join([*starter, self.script_path, *words])

    def _words(self) -> list[str]:
        return filled(self.final_algo_config.get('arguments') or (), self._options())

    def _options(self) -> dict[str, Value]:
        """Return the parameters that are options of the script."""
        config = self.final_config
        own = {'script', 'arguments', *self.inputs, *self.outputs}
        return {name: value for name, value in config.items() if name not in own}

    def _spec(self) -> JobSpec:
        is_setup = self.job.get('kind') == 'data_setup'
        return JobSpec(
            name=self.name,
            run_dir=self._in_run_dir('.'),
            results_path=None if is_setup else self._results_path(),
            params=plain(self._options()),
            **dict(self.job),
        )

    def _results_path(self) -> str:
        """Return where the script leaves its results: what its arguments say, or the usual."""
        words = self._words()
        given = self._in_run_dir(RESULTS_DIR)
        for word, after in zip(words, [*words, ''][1:], strict=True):
            if word == '--':
                break
            if _is_results_option(word):
                _, equals, path = word.partition('=')
                given = os.path.abspath(path if equals else after)
        return given

    def _in_run_dir(self, name: str) -> str:
        return os.path.normpath(os.path.join(os.path.abspath(self._job.rundir), name))

    def default_metrics(self) -> list[dict[str, Any]]:
        """Return the entry's ``metrics``, then those of its requirements."""
        shown = {str(metric['metric']): dict(metric) for metric in self.objectives}
        for requirement in self.job.get('requirements', ()):
            name = str(requirement['metric'])
            shown.setdefault(name, {'metric': name, 'objective': objective_of(requirement)})
        return [{'primary': True, 'display': True, **metric} for metric in shown.values()]


def _is_results_option(word: str) -> bool:
    return word.partition('=')[0].replace('_', '-') == RESULTS_OPTION
