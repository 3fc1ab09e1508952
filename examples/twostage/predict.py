"""Call a review positive when it contains a keyword."""

import json
from pathlib import Path

import scriptconfig as scfg

import kwdagger


class PredictConfig(scfg.DataConfig):
    """Call a review positive when it contains a keyword."""

    reviews = scfg.Value(None, help='JSON lines with id and text', tags=['in_path'])
    keyword = scfg.Value('great', help='the word to look for', tags=['algo_param'])
    predictions = scfg.Value('predictions.json', help='output', tags=['out_path', 'primary'])


def main():
    config = PredictConfig.cli(strict=True)
    process = kwdagger.ProcessContext(name='predict', type='process', config=dict(config))
    process.start()
    reviews = [json.loads(line) for line in Path(config.reviews).read_text().splitlines()]
    predictions = {review['id']: label(review['text'], config.keyword) for review in reviews}
    found = {'info': [process.stop()], 'result': predictions}
    Path(config.predictions).write_text(json.dumps(found, indent=1) + '\n')
    print(
        f'{sum(label == "positive" for label in predictions.values())} of {len(reviews)} positive'
    )


def label(text, keyword):
    words = [word.strip('.,:;!?') for word in text.lower().split()]
    return 'positive' if keyword in words else 'negative'


if __name__ == '__main__':
    main()
