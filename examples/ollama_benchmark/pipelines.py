"""One node, `ollama_benchmark`: which program measures, what it is told, how it is read."""

import json
import shlex
from pathlib import Path

import kwdagger
from kwdagger.aggregate_loader import new_process_context_parser
from kwdagger.utils import util_dotdict

EXAMPLE_DPATH = shlex.quote(str(Path(__file__).resolve().parent))


class OllamaBenchmark(kwdagger.ProcessNode):
    """Cold and warm trials of one model on one server."""

    name = 'ollama_benchmark'
    executable = f'python {EXAMPLE_DPATH}/ollama_benchmark.py'
    in_paths = {'prompt_fpath'}
    out_paths = {'dst_fpath': 'ollama_benchmark.json', 'dst_dpath': '.'}
    primary_out_key = 'dst_fpath'
    algo_params = {
        'model': 'gemma3:1b',
        'cold_trials': 1,
        'warm_trials': 3,
        'concurrency': 0,
        # Another server is another measurement. '$NAME' keeps the address out of the id.
        'ollama_url': 'http://localhost:11434',
        'cold_reset_cmd': 'docker restart ollama',
        # At their neutral value these do not enter the id.
        'options': kwdagger.Param('', neutral=''),
        'prompt_id': kwdagger.Param('', neutral=''),
    }
    # What changes no figure. Hosts with different notes share an id.
    perf_params = {'notes': '', 'pull': 'never'}

    def load_result(self, node_dpath):
        """Return the row of one run, as flat dotted keys."""
        found = json.loads((node_dpath / self.out_paths[self.primary_out_key]).read_text())
        nested = new_process_context_parser(found['info'][-1])
        nested['metrics'] = found['result']['metrics']
        flat = util_dotdict.DotDict.from_nested(nested)
        return flat.insert_prefix(self.name, index=1)

    def default_metrics(self):
        """Return which way each metric is better; the first one ranks."""
        return [
            {'metric': 'ttft_mean', 'objective': 'minimize', 'primary': True, 'display': True},
            {'metric': 'latency_total_mean', 'objective': 'minimize', 'display': True},
            {'metric': 'tokens_per_sec_mean', 'objective': 'maximize', 'display': True},
        ]

    @property
    def default_vantage_points(self):
        """Return the pair of metrics worth a plot: how soon against how fast."""
        return [
            {
                'metric1': f'metrics.{self.name}.ttft_mean',
                'scale1': 'linear',
                'objective1': 'minimize',
                'metric2': f'metrics.{self.name}.tokens_per_sec_mean',
                'scale2': 'linear',
                'objective2': 'maximize',
            }
        ]


def ollama_benchmark_pipeline():
    """Return the pipeline, made of that node alone."""
    nodes = {'ollama_benchmark': OllamaBenchmark()}
    dag = kwdagger.Pipeline(nodes)
    dag.build_nx_graphs()
    return dag
