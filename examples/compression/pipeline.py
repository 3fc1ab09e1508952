"""compress -> check: what the two programs read and write, and which way is better."""

import shlex
from pathlib import Path

import kwdagger

HERE = shlex.quote(str(Path(__file__).resolve().parent))


class Compress(kwdagger.ProcessNode):
    name = 'compress'
    executable = f'python3 {HERE}/compress.py'
    in_paths = {'src'}
    out_paths = {'packed': 'packed', 'timing': 'timing.json'}
    primary_out_key = 'timing'
    algo_params = {'codec': 'gzip', 'level': 6, 'repeats': 3}


class Check(kwdagger.ProcessNode):
    name = 'check'
    executable = f'python3 {HERE}/check.py'
    in_paths = {'src', 'packed', 'timing'}
    out_paths = {'report': 'report.json'}
    algo_params = {'repeats': 3}

    def default_metrics(self):
        return [
            {'metric': 'ratio', 'objective': 'maximize', 'primary': True, 'display': True},
            {'metric': 'compress_mb_per_s', 'objective': 'maximize', 'display': True},
            {'metric': 'decompress_mb_per_s', 'objective': 'maximize', 'display': True},
        ]


def compression():
    compress, check = Compress(), Check()
    compress.connect(check)  # the outputs `packed` and `timing` to the inputs of those names
    compress.inputs['src'].connect(check.inputs['src'])
    return kwdagger.Pipeline([compress, check])
