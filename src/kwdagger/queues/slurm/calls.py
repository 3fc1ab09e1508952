"""The command line of one ``sbatch`` call, and the batch script that it submits."""

from __future__ import annotations

from shlex import quote

from kwdagger.queues.slurm.arrays import ArrayPlan
from kwdagger.rundir.layout import SCRIPT_NAME

NO_OUTPUT = '--output=/dev/null'


def sbatch_words(
    plan: ArrayPlan,
    name: str,
    root: str,
    script: str,
    tasks: tuple[int, int],
    dependency: str,
) -> list[str]:
    """Return the words of the call.

    Args:
        tasks: first and last task. dependency: as ``--dependency`` takes it; may be empty.
    """
    words = [
        'sbatch',
        '--parsable',
        f'--job-name={name}',
        f'--array={tasks[0]}-{tasks[1]}{plan.throttle}',
    ]
    if dependency:
        words += [f'--dependency={dependency}', '--kill-on-invalid-dep=yes']
    given = {word.partition('=')[0] for word in plan.arguments}
    if '--output' not in given:
        words.append(NO_OUTPUT)
    if '--chdir' not in given:
        words.append(f'--chdir={root}')
    return [*words, *plan.arguments, script]


def render_batch_script(table_path: str) -> str:
    """Return a script that runs the run directory on the line of its task.

    The run script takes the shell's place, so that it gets the signals meant for the job.
    Slurm allots devices itself.
    """
    return f"""\
#!/usr/bin/env bash
# One task of an array of kwdagger's: the line of its number names the run directory.
mapfile -t -s "$SLURM_ARRAY_TASK_ID" -n 1 kw_line <{quote(table_path)} || exit
export KWDAGGER_DEVICES=queue
exec bash "${{kw_line#*$'\\t'}}/{SCRIPT_NAME}"
"""
