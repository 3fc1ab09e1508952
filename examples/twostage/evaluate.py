"""Compare predicted labels with the true ones."""

import json
from pathlib import Path

import scriptconfig as scfg

import kwdagger


class EvaluateConfig(scfg.DataConfig):
    """Compare predicted labels with the true ones."""

    predictions = scfg.Value(None, help='what predict.py wrote', tags=['in_path'])
    labels = scfg.Value(None, help='JSON lines with id and label', tags=['in_path'])
    metrics = scfg.Value('metrics.json', help='output', tags=['out_path', 'primary'])


def main():
    config = EvaluateConfig.cli(strict=True)
    process = kwdagger.ProcessContext(name='evaluate', type='process', config=dict(config))
    process.start()
    predicted = json.loads(Path(config.predictions).read_text())['result']
    reviews = [json.loads(line) for line in Path(config.labels).read_text().splitlines()]
    pairs = [(review['label'], predicted[review['id']]) for review in reviews]
    found = {'info': [process.stop()], 'result': {'metrics': scores(pairs)}}
    Path(config.metrics).write_text(json.dumps(found, indent=1) + '\n')
    print(found['result']['metrics'])


def scores(pairs):
    """Return accuracy, precision, recall and F1 of the label `positive`."""
    true_positive = pairs.count(('positive', 'positive'))
    false_positive = pairs.count(('negative', 'positive'))
    false_negative = pairs.count(('positive', 'negative'))
    right = sum(true == predicted for true, predicted in pairs)
    return {
        'accuracy': right / len(pairs),
        'precision': true_positive / max(1, true_positive + false_positive),
        'recall': true_positive / max(1, true_positive + false_negative),
        'f1': 2 * true_positive / max(1, 2 * true_positive + false_positive + false_negative),
    }


if __name__ == '__main__':
    main()
