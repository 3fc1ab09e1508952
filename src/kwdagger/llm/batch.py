"""``kwdagger llm batch``: every prompt of a file answered once, by many servers at a time."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import scriptconfig as scfg

from kwdagger.results.process_context import ProcessContext
from kwdagger.specs.options import OptionsConfig, run_verb

if TYPE_CHECKING:
    from kwdagger.llm.batching.layout import BatchFolder
    from kwdagger.llm.batching.progress import Progress
    from kwdagger.llm.batching.run import BatchEnd


class BatchOptions(OptionsConfig):
    """Ask every prompt of a file once, over many servers; go on where an earlier call stopped."""

    __command__ = 'batch'
    __prog__ = 'kwdagger llm batch'
    __epilog__ = """
    kwdagger llm batch --prompts=prompts.jsonl --model=gemma3:1b
    kwdagger llm batch --prompts=prompts.jsonl --config=config.toml
    """

    config = scfg.Value(
        'config.toml', type=str, help='TOML file with model, system_message, [ollama_instances]'
    )
    prompts = scfg.Value(None, type=str, help='JSONL file, one prompt a line; required')
    output_dir = scfg.Value('responses', type=str, help='folder for the answers')
    model = scfg.Value(None, type=str, help='model, instead of that of the file')
    system_message = scfg.Value(None, type=str, help='system message, instead of that of the file')
    instances = scfg.Value(
        None, type=str, help='servers instead of those of the file: host:port,... or a TOML file'
    )
    parallel = scfg.Value(
        None, type=int, help='requests in flight at each server that does not say; 16'
    )
    api = scfg.Value(
        None, type=str, help='ollama-chat, ollama-generate, openai-chat or openai-completions'
    )
    api_key_env = scfg.Value(
        'OPENAI_API_KEY', type=str, help='variable that holds the key of an OpenAI server'
    )
    seed = scfg.Value(None, type=int, help='of the random choice of tokens')
    temperature = scfg.Value(None, type=float, help='0 always takes the likeliest token')
    num_predict = scfg.Value(None, type=int, help='most tokens of an answer')
    num_ctx = scfg.Value(None, type=int, help='tokens of context')
    options = scfg.Value(None, type=str, help='YAML mapping of further options of the model')
    format = scfg.Value(None, type=str, help='json, a JSON schema, or the file that holds one')
    think = scfg.Value(None, type=str, help='True, False, low, medium or high: thinking models')
    keep_alive = scfg.Value(None, type=str, help='how long servers keep the model, such as 2h')
    stream = scfg.Value(False, isflag=True, help='let answers come piece by piece')
    retries = scfg.Value(3, type=int, help='how often a prompt is asked again after a failure')
    timeout_seconds = scfg.Value(1800.0, type=float, help='limit of one answer; 0: none')
    wait_seconds = scfg.Value(0.0, type=float, help='how long to wait for the first server')
    patience_seconds = scfg.Value(60.0, type=float, help='stop when no server works that long')
    probe_seconds = scfg.Value(10.0, type=float, help='how often busy servers are looked at')
    requests_per_second = scfg.Value(None, type=float, help='at most, over all servers')
    pull = scfg.Value('never', type=str, help='missing: bring the model to servers without it')
    changed = scfg.Value(
        'refuse', type=str, help='ask: replace answers to what is not asked so any more'
    )
    overwrite = scfg.Value(False, isflag=True, help='drop earlier answers and ask everything')
    summary = scfg.Value(None, type=str, help='file for the figures of the batch')
    trust_env = scfg.Value(False, isflag=True, help='use proxies named in the environment')
    quiet = scfg.Value(False, isflag=True, help='print only the last line')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_batch, argv, kwargs)


__cli__ = BatchOptions
main = BatchOptions.main


def run_batch(options: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: bad input, a folder that holds other answers, no server, no model.
    """
    from kwdagger.llm.batching.answers import keep_ordered
    from kwdagger.llm.batching.asking import (
        ask_open_prompts,
        check_folder,
        find_servers,
        prepare_folder,
    )
    from kwdagger.llm.batching.job import read_job
    from kwdagger.llm.batching.progress import locked, read_progress
    from kwdagger.llm.batching.summary import write_summary

    context = ProcessContext('llm_batch', config=dict(options)).start()
    tell = printer(options)
    job = read_job(options)
    silent = find_servers(job, tell) if check_folder(job).todo else {}
    with locked(job.folder):
        before = prepare_folder(job)
        end = ask_open_prompts(job, before, silent, tell)
        after = read_progress(job.folder, job.prompts)
        unreadable = keep_ordered(job.folder, job.prompts, job.prompts_path, after)
        if job.summary_path:
            write_summary(
                job.summary_path, job.config, after, len(job.prompts), end, context.stop()
            )
    return told_end(job.folder, before, after, end, unreadable)


def printer(options: Mapping[str, Any]) -> Callable[[str], None]:
    """Return what prints a line, or nothing where it is to be quiet."""

    def tell(line: str) -> None:
        if not options['quiet']:
            sys.stdout.write(f'{line}\n')
            sys.stdout.flush()

    return tell


def told_end(
    folder: BatchFolder, before: Progress, after: Progress, end: BatchEnd, unreadable: list[str]
) -> int:
    """Print how the batch ended; return the exit code.

    Args:
        unreadable: files of answers that cannot be read.
    """
    from kwdagger.llm.batching import lines

    failed = len(after.failed)
    sys.stdout.write(f'{lines.finish_line(before, after, end)}\n')
    if failed:
        sys.stdout.write(
            f'{folder.failed_path} lists what failed; the same command asks it again\n'
        )
    sys.stdout.flush()
    for path in unreadable:
        sys.stderr.write(f'error: {path} is no answer; remove it and the prompt is asked again\n')
    if end.signal:
        name = signal.Signals(end.signal).name
        sys.stderr.write(f'stopped by {name}; the same command goes on from here\n')
        return 128 + end.signal
    if end.stall:
        sys.stderr.write(f'error: {end.stall}\n')
    return 1 if after.todo or unreadable else 0


if __name__ == '__main__':
    main()
