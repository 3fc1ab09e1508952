"""predict -> evaluate over labelled reviews; parameters and files come from the programs."""

import json
import shlex
from pathlib import Path

from evaluate import EvaluateConfig
from predict import PredictConfig

import kwdagger
from kwdagger.aggregate_loader import new_process_context_parser
from kwdagger.utils import util_dotdict

HERE = Path(__file__).resolve().parent


def program(name):
    return f'python3 {shlex.quote(str(HERE / name))}'


class Predict(kwdagger.ProcessNode):
    name = 'predict'
    executable = program('predict.py')
    params = PredictConfig


class Evaluate(kwdagger.ProcessNode):
    name = 'evaluate'
    executable = program('evaluate.py')
    params = EvaluateConfig

    def load_result(self, node_dpath):
        """Return what belongs into the row of this run, as flat dotted keys."""
        found = json.loads((node_dpath / self.out_paths[self.primary_out_key]).read_text())
        nested = new_process_context_parser(found['info'][-1])
        nested['metrics'] = found['result']['metrics']
        flat = util_dotdict.DotDict.from_nested(nested)
        return flat.insert_prefix(self.name, index=1)

    def default_metrics(self):
        return [
            {'metric': 'f1', 'objective': 'maximize', 'primary': True, 'display': True},
            {'metric': 'accuracy', 'objective': 'maximize', 'display': True},
            {'metric': 'precision', 'objective': 'maximize', 'display': True},
            {'metric': 'recall', 'objective': 'maximize', 'display': True},
        ]


def sentiment():
    nodes = {'predict': Predict(), 'evaluate': Evaluate()}
    nodes['predict'].outputs['predictions'].connect(nodes['evaluate'].inputs['predictions'])
    nodes['predict'].inputs['reviews'].connect(nodes['evaluate'].inputs['labels'])
    return kwdagger.Pipeline(nodes)
