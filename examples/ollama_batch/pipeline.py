"""llm_batch -> score: answers of a model, and how often they agree with labels made by hand."""

import shlex
from pathlib import Path

import kwdagger
from kwdagger.llm.nodes import LlmBatch

HERE = shlex.quote(str(Path(__file__).resolve().parent))


class Score(kwdagger.ProcessNode):
    name = 'score'
    executable = f'python3 {HERE}/score.py'
    in_paths = {'output_dir', 'labels'}
    out_paths = {'report': 'report.json'}

    def default_metrics(self):
        return [
            {'metric': 'agreement', 'objective': 'maximize', 'primary': True, 'display': True},
            {'metric': 'json_fraction', 'objective': 'maximize', 'display': True},
            {'metric': 'age', 'objective': 'maximize', 'display': True},
            {'metric': 'smoking', 'objective': 'maximize', 'display': True},
        ]


def extraction():
    batch, score = LlmBatch(), Score()
    batch.outputs['output_dir'].connect(score.inputs['output_dir'])
    return kwdagger.Pipeline([batch, score])
