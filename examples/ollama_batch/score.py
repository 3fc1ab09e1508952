"""How often do extracted fields agree with labels?  Share of notes, field by field."""

import argparse
import json
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--output_dir', type=Path, required=True, help='folder of a batch')
    parser.add_argument('--labels', type=Path, required=True, help='note -> field -> value')
    parser.add_argument('--report', type=Path, required=True, help='where the shares go')
    args = parser.parse_args()
    labels = json.loads(args.labels.read_text())
    lines = (args.output_dir / 'responses.jsonl').read_text().splitlines()
    answers = {answer['name']: answer['response'] for answer in map(json.loads, lines)}
    args.report.write_text(json.dumps({'metrics': agreement(labels, answers)}, indent=1))


def agreement(labels, answers):
    """Return the share of notes whose field agrees; a note without JSON agrees in none."""
    found = {note: parsed(answers.get(note, '')) for note in labels}
    fields = list(next(iter(labels.values())))
    shares = {
        field: share(found[note].get(field) == label[field] for note, label in labels.items())
        for field in fields
    }
    return {
        'agreement': sum(shares.values()) / len(fields),
        'json_fraction': share(bool(item) for item in found.values()),
        **shares,
    }


def parsed(text):
    try:
        item = json.loads(text)
    except ValueError:
        return {}
    return item if isinstance(item, dict) else {}


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


if __name__ == '__main__':
    main()
