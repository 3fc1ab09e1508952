"""Measure one model on one Ollama server, from cold and warm, and write one result file."""

import os
import sys
from pathlib import Path

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.specs.options import OptionsConfig, as_mapping, run_verb

RESULT_NAME = 'ollama_benchmark.json'


class OllamaBenchmarkConfig(OptionsConfig):
    """Measure one model on one Ollama server, from cold and warm."""

    __prog__ = 'ollama_benchmark.py'
    __allow_abbrev__ = False  # half a name is a mistake

    prompt_fpath = scfg.Value(None, type=str, help='what is asked: YAML, a list of prompts')
    prompt_id = scfg.Value(
        None, type=str, help="first half of the prompts' names; otherwise the name of their file"
    )
    dst_dpath = scfg.Value('.', type=str, help='folder of the results')
    dst_fpath = scfg.Value(
        None, type=str, help=f'the result file; otherwise {RESULT_NAME} in that folder'
    )
    append_jsonl = scfg.Value(None, type=str, help='a file that gets one line for each trial')
    ollama_url = scfg.Value(
        'http://localhost:11434', type=str, help='the server; $NAME: see the variable of that name'
    )
    model = scfg.Value('gemma3:1b', type=str, help='name of the model')
    pull = scfg.Value('never', type=str, help='missing: pull the model if the server lacks it')
    options = scfg.Value(None, type=str, help='YAML: model options, such as {num_predict: 64}')
    cold_trials = scfg.Value(1, type=int, help='answers of the model just after it was unloaded')
    cold_reset_cmd = scfg.Value(
        None, type=str, help='restarts the server before each; otherwise the model is unloaded'
    )
    warm_trials = scfg.Value(3, type=int, help='answers of the loaded model, to each prompt')
    concurrency = scfg.Value(0, type=int, help='how many warm trials at a time; 0 and 1: one')
    notes = scfg.Value(None, type=str, help='kept with the result')

    @classmethod
    def main(cls, argv=True, **kwargs):
        run_verb(cls, benchmark, argv, kwargs)


def benchmark(config):
    """Measure, write, print the main figures; return the exit code."""
    from kwdagger.llm.trials import run_trials  # imports what --help needs not wait for

    dst_fpath = config['dst_fpath'] or Path(config['dst_dpath']) / RESULT_NAME
    result = run_trials(
        settings_of(config),
        dst_fpath,
        name='ollama_benchmark',
        config={**config, 'ollama_url': server_address(config['ollama_url'])},
        append_jsonl=config['append_jsonl'] or None,
    )
    print_figures(config, result.metrics)
    print(f'wrote {dst_fpath}')
    if result.failure:
        print(f'error: {result.failure}', file=sys.stderr)
    return 1 if result.failure else 0


def settings_of(config):
    """Return what the engine is asked for."""
    from kwdagger.llm.prompts.yaml_prompts import read_yaml_prompts
    from kwdagger.llm.trials import TrialSettings

    if not config['prompt_fpath']:
        raise InvalidValue('there is nothing to ask; give --prompt_fpath')
    return TrialSettings(
        prompts=tuple(read_yaml_prompts(config['prompt_fpath'], config['prompt_id'] or None)),
        model=config['model'],
        url=server_address(config['ollama_url']),
        options=as_mapping(config['options'] or None, 'options'),
        pull=config['pull'],
        cold_trials=config['cold_trials'],
        cold_reset_cmd=config['cold_reset_cmd'] or None,
        warm_trials=config['warm_trials'],
        concurrency=config['concurrency'],
        notes=config['notes'] or None,
    )


def server_address(url):
    """Return the address; `$NAME` stands for the environment variable of that name."""
    if not url.startswith('$'):
        return url
    name = url[1:].strip('{}')
    if not os.environ.get(name):
        raise InvalidValue(f'--ollama_url={url}: the environment variable {name} is not set')
    return os.environ[name]


def print_figures(config, metrics):
    """Print one line for the cold trials and one for the warm ones."""
    print(f'{config["model"]} at {server_address(config["ollama_url"])}')
    for start, prefix in (('cold', 'cold_'), ('warm', '')):
        if metrics.get(f'{prefix}num_trials'):
            print(f'  {start}: {figures(metrics, prefix)}')


def figures(metrics, prefix):
    trials = f'{metrics[f"{prefix}num_ok_trials"]} of {metrics[f"{prefix}num_trials"]} answered'
    means = [metrics[f'{prefix}{name}_mean'] for name in ('ttft', 'latency_total')]
    speed = metrics[f'{prefix}tokens_per_sec_mean']
    if None in means:
        return trials
    seconds = f'first token after {means[0]:.3f} s, done after {means[1]:.3f} s'
    return f'{trials}, {seconds}' + ('' if speed is None else f', {speed:.1f} tokens/s')


if __name__ == '__main__':
    OllamaBenchmarkConfig.main()
