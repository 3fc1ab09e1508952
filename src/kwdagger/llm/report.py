"""``kwdagger llm report``: what was measured, as tables; figures computed again from their rows."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.llm.metrics.in_flight import in_flight
from kwdagger.llm.reporting import recompute, report_text
from kwdagger.llm.reporting.groupings import Grouping, comparison, standard_groupings
from kwdagger.llm.reporting.result_file import ResultFile
from kwdagger.llm.reporting.runs import (
    Run,
    find_comparisons,
    find_results,
    read_run,
    run_table,
    trial_table,
)
from kwdagger.specs.options import OptionsConfig, run_verb

_SHOWN_IN_FLIGHT = 6


class ReportConfig(OptionsConfig):
    """Show what was measured: by model, cold and warm, concurrency and host."""

    __command__ = 'report'
    __prog__ = 'kwdagger llm report'
    __epilog__ = """
    kwdagger llm report results
    kwdagger llm report results --against=last_week --csv
    """

    results = scfg.Value(
        None, nargs='*', position=1, help='result files, or folders that hold some'
    )
    recompute = scfg.Value(
        False, isflag=True, help='compute every figure again from requests.jsonl; 1 if one differs'
    )
    against = scfg.Value(
        None, type=str, help='file or folder of earlier results: say what changed; 1 if worse'
    )
    json = scfg.Value(False, isflag=True, help='one JSON document: all runs, all tables')
    csv = scfg.Value(False, isflag=True, help='one line for each trial')
    plots = scfg.Value(None, type=str, help='a folder for figures (needs kwdagger[plot])')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, report, argv, kwargs)


__cli__ = ReportConfig
main = ReportConfig.main


def report(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: a result cannot be read, or options contradict each other.
    """
    check_form(config)
    places = named_places(config['results'])
    files = find_results(places)
    if config['recompute']:
        return recompute_all([*files, *find_comparisons(places)])
    runs = [read_run(file) for file in files]
    if config['against']:
        return compare_runs(config['against'], runs, bool(config['json']))
    trials, table = trial_table(runs), run_table(runs)
    if config['plots']:  # first: a folder that cannot be made is an error before any output
        from kwdagger.llm.reporting.plots import write_plots

        for path in write_plots(trials, table, requests_in_flight(files), config['plots']):
            sys.stderr.write(f'wrote {path}\n')
    if config['csv']:
        sys.stdout.write(trials.to_csv(index=False))
        return 0
    groupings = standard_groupings(trials, table)
    if config['json']:
        print_document(runs, groupings)
    else:
        failed = [row['status'] for run in runs for row in run.trials if row.get('status') != 'ok']
        interrupted = [run.path for run in runs if run.is_interrupted]
        report_text.print_groupings(groupings, len(runs), len(trials), Counter(failed), interrupted)
    return 0


def requests_in_flight(files: Sequence[ResultFile]) -> dict[str, list[tuple[int, int]]]:
    """Return how many requests were in flight over time, of as many runs as a figure can show."""
    known = [file for file in files if os.path.exists(file.requests_path)][:_SHOWN_IN_FLIGHT]
    names = [os.path.relpath(file.path) for file in known]
    common = os.path.commonpath(list(map(os.path.dirname, names))) if names else ''
    series = {}
    for file, name in zip(known, names, strict=True):
        measured = (record for record in file.read_records() if record.phase == 'measured')
        series[os.path.relpath(name, common or '.')] = in_flight(measured)
    return series


def recompute_all(files: Sequence[ResultFile]) -> int:
    """Compare every result with its rows; return 1 if one differs."""
    found = [(file.path, recompute.differences(file)) for file in files]
    report_text.print_verdicts(found)
    return int(any(lines for _, lines in found))


def compare_runs(place: str, runs: Sequence[Run], as_json: bool) -> int:
    """Show what changed since the results at `place`; return 1 if a figure became worse.

    Interrupted runs are left out.

    Raises:
        UserError: there are no results, or none under the same load.
    """
    before = [read_run(file) for file in find_results([place])]
    earlier, later = (
        run_table(run for run in each if not run.is_interrupted) for each in (before, runs)
    )
    found = comparison(earlier, later)
    if not found.rows:
        raise InvalidValue(f'--against={place}: no run there has the model and load of one here')
    if as_json:
        json.dump({'schema': 1, 'comparison': found.rows}, sys.stdout, indent=2)
        sys.stdout.write('\n')
    else:
        report_text.print_comparison(found)
    return int(any(row['verdict'] == 'worse' for row in found.rows))


def print_document(runs: Sequence[Run], groupings: Sequence[Grouping]) -> None:
    """Print runs and tables as one JSON document."""
    document = {
        'schema': 1,
        'runs': [
            {'fpath': run.path, 'host': run.host, 'config': run.config, 'metrics': run.metrics}
            for run in runs
        ],
        'tables': {grouping.title.replace(' ', '_'): grouping.rows for grouping in groupings},
    }
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write('\n')


def check_form(config: Mapping[str, Any]) -> None:
    """Refuse two forms of report at once, and figures where none are drawn.

    Raises:
        InvalidValue: there are two.
    """
    forms = [name for name in ('recompute', 'against', 'csv', 'json') if config[name]]
    if len(forms) > 1 and forms != ['against', 'json']:
        raise InvalidValue(f'--{forms[0]} and --{forms[1]} are two forms of report; leave one out')
    if config['plots'] and (config['recompute'] or config['against']):
        raise InvalidValue(f'--{forms[0]} draws nothing; leave --plots out')


def named_places(results: Any) -> list[str]:
    """Return the files and folders named.

    Raises:
        InvalidValue: there is none.
    """
    places = [results] if isinstance(results, str) else [str(place) for place in results or ()]
    if not places:
        raise InvalidValue('no results named; write: kwdagger llm report FILE_OR_FOLDER...')
    return places


if __name__ == '__main__':
    main()
