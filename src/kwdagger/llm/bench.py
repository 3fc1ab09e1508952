"""``kwdagger llm bench``: how fast a server answers, from cold and warm, under any load."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import scriptconfig as scfg

from kwdagger.errors import UserError
from kwdagger.results.process_context import ProcessContext
from kwdagger.specs.options import OptionsConfig, run_verb

if TYPE_CHECKING:
    from kwdagger.llm.trials.bench_options import Bench
    from kwdagger.llm.trials.benchmark import Groups, Measured
    from kwdagger.llm.trials.run import TrialsInterrupted


class BenchConfig(OptionsConfig):
    """Measure a language-model server: cold and warm trials, closed and open loops, sweeps."""

    __command__ = 'bench'
    __prog__ = 'kwdagger llm bench'
    __epilog__ = """
    kwdagger llm bench gemma3:1b --prompts=prompts.jsonl
    kwdagger llm bench gemma3:1b --prompts=prompts.jsonl --cold_trials=3
    kwdagger llm bench gemma3:1b --prompt='Why?' --concurrency=1,2,4
    """

    model = scfg.Value(None, type=str, position=1, help='model, or several with commas')
    url = scfg.Value('http://localhost:11434', type=str, help='the server: URL or host:port')
    api = scfg.Value('ollama-generate', type=str, help='protocol; ollama-chat, openai-chat, ...')
    api_key_env = scfg.Value(None, type=str, help='environment variable that holds the API key')
    pull = scfg.Value('never', type=str, help='"missing": pull a model that is not there')
    trust_env = scfg.Value(False, isflag=True, help='use proxies named in the environment')

    prompts = scfg.Value(None, type=str, help='prompt file: YAML, or JSON lines (.jsonl)')
    prompt = scfg.Value(None, type=str, help='one prompt, as text')
    prompt_id = scfg.Value(None, type=str, help='first half of the ids of prompts')
    system = scfg.Value(None, type=str, help='system message')
    temperature = scfg.Value(0.0, type=float, help='of sampling')
    num_predict = scfg.Value(None, type=int, help='most tokens of an answer')
    num_ctx = scfg.Value(None, type=int, help='tokens of context; a change loads the model again')
    options = scfg.Value(None, type=str, help='YAML mapping of further model options')
    keep_alive = scfg.Value(None, type=str, help='how long the model stays loaded, such as 10m')
    think = scfg.Value(None, type=str, help='whether a thinking model thinks: true, false, ...')
    format = scfg.Value(None, type=str, help='"json", or a JSON schema (YAML text or file)')
    cache = scfg.Value('allow', type=str, help='"bust": keep the prompt cache out of the figures')

    cold_trials = scfg.Value(0, type=int, help='first prompt, asked of the unloaded model')
    cold_reset_cmd = scfg.Value(None, type=str, help='shell command that restarts the server')
    reset_timeout_s = scfg.Value(60.0, type=float, help='until it is ready, or the model is gone')
    warm_trials = scfg.Value(3, type=int, help='how often each prompt is asked when warm')

    mode = scfg.Value('closed', type=str, help='closed, sequential, open, trace, batch or sweep')
    concurrency = scfg.Value('0', type=str, help='requests in flight, or several with commas')
    request_rate = scfg.Value(None, type=str, help='open: requests/s, or several with commas')
    burstiness = scfg.Value(1.0, type=float, help='open: 1 is Poisson, inf is constant')
    max_concurrency = scfg.Value(None, type=int, help='open: most requests in flight')
    held = scfg.Value('wait', type=str, help='requests beyond that: wait, or drop')
    trace = scfg.Value(None, type=str, help='trace: JSON lines with timestamps')
    trace_speed = scfg.Value(1.0, type=float, help='trace: 2 replays twice as fast')
    num_rates = scfg.Value(5, type=int, help='sweep: rates between sequential and saturated')
    num_requests = scfg.Value(None, type=int, help='measured requests of a load')
    duration_s = scfg.Value(None, type=float, help='how long measured requests are sent')
    drain_timeout_s = scfg.Value(30.0, type=float, help='how long unfinished ones may go on then')
    max_errors = scfg.Value(None, type=int, help='stop, and fail, after so many')
    max_error_rate = scfg.Value(0.5, type=float, help='fail if a larger share of a phase failed')
    stop_oversaturated = scfg.Value(False, isflag=True, help='stop when the server falls behind')
    warmup = scfg.Value(0, type=int, help='requests before the measured ones')
    warmup_s = scfg.Value(0.0, type=float, help='first seconds of a load that do not count')
    repeats = scfg.Value(1, type=int, help='runs of each condition, in random order')
    seed = scfg.Value(0, type=int, help='of sampling, arrivals and the order of runs')
    slo = scfg.Value(None, type=str, help="what is good enough: 'ttft:0.5 tpot:0.05 e2el:10'")

    connect_timeout_s = scfg.Value(10.0, type=float, help='to open a connection')
    ttft_timeout_s = scfg.Value(None, type=float, help='until the first text')
    gap_timeout_s = scfg.Value(None, type=float, help='between two pieces of an answer')
    total_timeout_s = scfg.Value(1800.0, type=float, help='until the last byte')

    dst_dpath = scfg.Value('.', type=str, help='folder of the results')
    dst_fpath = scfg.Value(None, type=str, help='result file; default: llm_bench.json in there')
    append_jsonl = scfg.Value(None, type=str, help='file that gets a line for each trial as well')
    keep_text = scfg.Value(False, isflag=True, help='keep the answers in the rows of requests')
    notes = scfg.Value(None, type=str, help='recorded; changes nothing')
    strict = scfg.Value(False, isflag=True, help='fail if a single request fails')
    quiet = scfg.Value(False, isflag=True, help='no progress')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, measure, argv, kwargs)


__cli__ = BenchConfig
main = BenchConfig.main


def measure(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: bad options, or a server that cannot be measured; nothing is written then.
    """
    from kwdagger.llm.trials.bench_options import read_options
    from kwdagger.llm.trials.bench_runs import prepare
    from kwdagger.llm.trials.outputs import folders_for

    say = _silent if config['quiet'] else _to_stderr
    bench = read_options(config)
    context = ProcessContext(name='llm_bench', config=dict(config)).start()
    prepare(bench, say)
    with folders_for(filter(None, (bench.path, config['append_jsonl']))):
        return measure_all(bench, context, say)


def measure_all(bench: Bench, context: ProcessContext, say: Callable[[str], None]) -> int:
    """Measure every run, show and write what they say together; return the exit code.

    Raises:
        UserError: there was no server, or no model, for the first run.
    """
    from kwdagger.llm.trials.bench_runs import run_all
    from kwdagger.llm.trials.benchmark import failures
    from kwdagger.llm.trials.run import TrialsInterrupted

    measured: list[Measured] = []
    problems = []
    try:
        measured.extend(run_all(bench, say))  # keeps what came before an error
    except TrialsInterrupted as interrupt:
        return end_interrupted(bench, measured, context, interrupt)
    except UserError as error:
        if not measured:
            raise
        problems.append(f'stopped after {len(measured)} runs: {error}')
    write_and_show(bench, bench.path, measured, context)
    sys.stdout.write(f'wrote {bench.path}\n')
    problems = [*failures(measured), *problems]
    for line in problems:
        _to_stderr(f'error: {line}')
    return 1 if problems else 0


def end_interrupted(
    bench: Bench, measured: list[Measured], context: ProcessContext, interrupt: TrialsInterrupted
) -> int:
    """Keep and show what was measured before a signal came, say so; return the exit code."""
    from kwdagger.llm.reporting.result_file import interrupted_path

    kept = []
    if measured:
        path = interrupted_path(bench.path)
        write_and_show(bench, path, measured, context, stopped_by='interrupted')
        kept.append(f'{_counted(len(measured), "complete run")} in {path}')
    if interrupt.path is not None:
        trials = _counted(interrupt.num_trials, 'trial')
        kept.append(f'{trials} of the run under way in {interrupt.path}')
    what = f'kept {" and ".join(kept)}' if kept else 'nothing was measured'
    _to_stderr(f'{interrupt}: {what}; the same command starts anew')
    return interrupt.exit_code


def write_and_show(
    bench: Bench, path: str, measured: list[Measured], context: ProcessContext, **ended: str
) -> None:
    """Write the comparison of several runs to `path`, and print the table.

    Args:
        ended: added to what the comparison says was asked for.
    """
    from kwdagger.llm.reporting.comparison_file import write_comparison
    from kwdagger.llm.trials.benchmark import by_condition, compared

    groups = by_condition(measured)
    if not bench.is_single_run:
        summary = {**bench.settings.summary(), **ended}
        write_comparison(path, compared(groups), context.stop(), summary)
    print_figures(groups)


def print_figures(groups: Groups) -> None:
    """Print the table, and below it what must be said beside the figures."""
    from kwdagger.llm.reporting.bench_table import bench_table
    from kwdagger.llm.trials.benchmark import bench_rows
    from kwdagger.llm.trials.remarks import client_remarks, remarks_on

    metrics = {key: [each.result.metrics for each in runs] for key, runs in groups.items()}
    lines = [line for key, runs in metrics.items() for line in remarks_on(*key, runs)]
    lines += client_remarks(list(chain.from_iterable(metrics.values())))
    sys.stdout.write(bench_table(bench_rows(groups)))
    sys.stdout.write(''.join(f'{line}\n' for line in lines))


def _counted(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def _to_stderr(line: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f'{line}\n')
    sys.stderr.flush()


def _silent(line: str) -> None:
    pass


if __name__ == '__main__':
    main()
