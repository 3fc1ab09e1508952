"""``kwdagger bench docker``: the session of ``bench run``, in a container."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import scriptconfig as scfg

from kwdagger.bench.containers.call import ContainerCall, Words, grouped
from kwdagger.bench.containers.limits import gpu_words, memory_words
from kwdagger.bench.containers.mounts import Mount, checkouts, import_path, mounts_of
from kwdagger.bench.containers.program import (
    is_shell,
    program_words,
    run_words,
    shell_words,
    split_words,
)
from kwdagger.bench.containers.sinks import (
    class_mounts,
    lost_files,
    sink_problems,
    told_sinks,
)
from kwdagger.bench.containers.variables import OWN, variables_of
from kwdagger.bench.entries.model import BenchConfig, SinkSpec
from kwdagger.bench.entries.places import REPOSITORY, missing_datasets
from kwdagger.bench.entries.points import entry_texts
from kwdagger.bench.options import chosen_entries, files_of, read_config, with_lists
from kwdagger.bench.problems import refuse, session_problems
from kwdagger.bench.run import BenchRunConfig
from kwdagger.errors import MissingFile
from kwdagger.reporting import plan_text
from kwdagger.rundir.asking import answer_of
from kwdagger.specs.configs.loading import load_config
from kwdagger.specs.options import as_list, joined, run_verb

_DIGEST = 'IMAGE_DIGEST'
_DIGEST_FORMAT = '{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}'
_INSPECT_SECONDS = 30


class BenchDockerConfig(BenchRunConfig):
    """Run the entries of a benchmark configuration in a container; all options of bench run."""

    __command__ = 'docker'
    __prog__ = 'kwdagger bench docker'
    __epilog__ = """
    kwdagger bench docker --config=nightly.yaml --dry_run
    kwdagger bench docker --config=nightly.yaml --image=nightly:3 --gpus=device=0
    kwdagger bench docker --config=nightly.yaml --shell='python -m pip list'
    """

    dry_run = scfg.Value(False, isflag=True, help='print the call of docker, make none')
    image = scfg.Value('kwdagger-bench', type=str, help='the image; kwdagger is installed in it')
    docker = scfg.Value('docker', type=str, help='the program; podman takes the same options')
    gpus = scfg.Value(
        None, type=str, help='all, none, how many, or ids as in 0,1; default: $GPUS, else all'
    )
    memory = scfg.Value(None, type=str, help="such as 64G; default: the machine's, at most 2 TiB")
    shm_size = scfg.Value(None, type=str, help='shared memory; default: half of the memory')
    env = scfg.Value(None, type=str, help='more variables to pass on, as in HF_TOKEN,MODE=fast')
    use_host_checkout = scfg.Value(
        None, type=str, help='folder whose code counts in the container: DIR, or DIR:PLACE in it'
    )
    shell = scfg.Value(
        False, isflag=True, type=str, help='a shell, or one command in it, in place of the session'
    )
    entrypoint = scfg.Value(
        'kwdagger bench run', type=str, help="what runs in it; 'image': what the image says"
    )
    docker_options = scfg.Value(
        None, type=str, help="more options of docker run, as in '--network host'"
    )

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        words = joined(with_lists(argv), 'use_host_checkout')
        run_verb(cls, bench_in_container, words, kwargs)


__cli__ = BenchDockerConfig
main = BenchDockerConfig.main


def bench_in_container(options: Mapping[str, Any]) -> int:
    """Print the call, or become it: then the exit code is that of the session.

    Raises:
        UserError: the configuration or an option is wrong, or the program or something to be
            mounted is not there; nothing has started.
    """
    here, inside = read_config(options, False), read_config(options, True)
    entries = chosen_entries(here, options)
    files = [os.path.abspath(path) for path in config_files(options)]
    written = load_config(files).mapping
    sinks = told_sinks(here, options['sink'])
    refuse_problems(here, inside, files, [*session_problems(here, options)])
    mounts = mounts_of(
        here,
        inside,
        entries,
        files,
        further=class_mounts(sinks),
        has_repository=f'{{{REPOSITORY}}}' in str(written),
    )
    own = checkouts(as_list(options['use_host_checkout']))
    call = container_call(
        options, inside, [*mounts, *own], [*variables(written, sinks, options, own)]
    )
    for warning in [
        *sink_problems(sinks),
        *lost_files(told_sinks(inside, options['sink']), mounts, os.environ),
    ]:
        plan_text.warn_text(f'warning: {warning}')
    if options['dry_run']:
        for warning in absent(mounts):
            plan_text.warn_text(f'warning: {warning}')
        plan_text.print_text(call.text())
        return 0
    return become(call, mounts)


def config_files(options: Mapping[str, Any]) -> list[str]:
    """Return the files of the configuration, those of datasets included."""
    named = [*files_of(options['matrix']), *files_of(options['config'])]
    return [os.path.expanduser(path) for path in [*named, *files_of(options['datasets'])]]


def refuse_problems(
    here: BenchConfig, inside: BenchConfig, files: Sequence[str], further: Sequence[str]
) -> None:
    """See that the configuration can run in the container.

    A script or dataset that is not here, nor in a folder that is mounted, may be in the image.

    Raises:
        InvalidValue: something else is wrong with it, or one of `further` is.
    """
    folders = [os.path.dirname(path) for path in files]
    excused = tuple(in_image(here, inside, folders))
    wrong = [text for text in here.problems if not any(part in text for part in excused)]
    refuse([*wrong, *further])
    for warning in [
        *here.warnings,
        *(f'{text}: it has to be in the image' for text in here.problems),
    ]:
        plan_text.warn_text(f'warning: {warning}')


def in_image(here: BenchConfig, inside: BenchConfig, folders: Sequence[str]) -> Iterator[str]:
    """Yield how problems read that are none if the image has what is not here."""
    paths = {entry.name: entry.script_path for entry in [*inside.setups, *inside.entries]}
    for entry in [*here.setups, *here.entries]:
        path = entry.script_path
        is_beside = any(path.startswith(f'{folder.rstrip("/")}/') for folder in folders)
        if paths.get(entry.name) == path and not is_beside and not os.path.exists(path):
            yield f'its script {path!r} does not exist'
        yield from missing_datasets(entry_texts(entry), here.placeholders)


def variables(
    written: Mapping[Any, Any],
    sinks: Sequence[SinkSpec],
    options: Mapping[str, Any],
    own: Sequence[Mount],
) -> Iterator[Words]:
    """Yield the options for the environment of the container."""
    host = os.environ.get('HOST_HOSTNAME') or socket.gethostname()
    texts = [f'HOST_HOSTNAME={host}', _DIGEST]
    for name in variables_of(written, sinks, os.environ):
        if name in OWN:
            plan_text.warn_text(f'warning: ${{{name}}} is the value that the container has')
        else:
            texts.append(name)
    texts += as_list(options['env'])
    texts += [f'PYTHONPATH={import_path(own)}'] if own else []
    yield from (('--env', text) for text in dict.fromkeys(texts))


def container_call(
    options: Mapping[str, Any],
    inside: BenchConfig,
    mounts: Iterable[Mount],
    environment: Iterable[Words],
) -> ContainerCall:
    """Return the call that the options ask for."""
    if is_shell(options['shell']):
        program, arguments = shell_words(options['shell'])
    else:
        program, arguments = program_words(options['entrypoint'])
        is_named = any(path.name == 'results_path' for path in inside.paths)
        results_dir = None if is_named else inside.results_dir
        arguments += run_words(options, BenchRunConfig.__default__, results_dir)
        program += [('--interactive',), ('--tty',)] if _has_terminal() else []
    gpus = os.environ.get('GPUS') if options['gpus'] is None else options['gpus']
    return ContainerCall(
        program=options['docker'],
        options=(
            ('--rm',),
            ('--init',),
            *gpu_words(gpus),
            *memory_words(options['memory'], options['shm_size']),
            *environment,
            *(mount.words() for mount in mounts),
            ('--workdir', os.getcwd()),
            *grouped(split_words(options['docker_options'], 'docker_options')),
            *program,
        ),
        image=options['image'],
        arguments=tuple(arguments),
    )


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def absent(mounts: Iterable[Mount]) -> Iterator[str]:
    """Yield what is said of each mount whose source is not there."""
    for mount in mounts:
        if not os.path.exists(mount.source):
            end = ': make it, or it will belong to root' if mount.is_writable else ''
            yield f'{mount.purpose} {mount.source!r} does not exist{end}'


def become(call: ContainerCall, mounts: Sequence[Mount]) -> int:
    """Replace this process by the call: its exit code, output and signals are the call's.

    Raises:
        MissingFile: the program, or something to be mounted, is not there.
    """
    if shutil.which(call.program) is None:
        raise MissingFile(
            f'{call.program} is not on PATH; --dry-run prints the call, --docker=podman makes it '
            'with another program'
        )
    for mount in mounts:
        if mount.is_writable:
            os.makedirs(mount.source, exist_ok=True)
    for text in absent(mounts):
        raise MissingFile(text)
    if not os.environ.get(_DIGEST) and (digest := image_digest(call.program, call.image)):
        os.environ[_DIGEST] = digest
    sys.stdout.flush()
    os.execvp(call.program, call.argv)


def image_digest(program: str, image: str) -> str:
    """Return the digest of an image that is on this machine, else nothing."""
    argv = [program, 'image', 'inspect', '--format', _DIGEST_FORMAT, image]
    return answer_of(argv, _INSPECT_SECONDS).strip()


if __name__ == '__main__':
    main(argv=sys.argv[1:])
