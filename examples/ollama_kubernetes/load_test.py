"""Send requests to the server that has the given number of replicas; write how it answered."""

import argparse
import json
import os
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument('--servers', required=True, help='JSON file: number of replicas -> URL')
parser.add_argument('--replicas', required=True, help='which of them')
parser.add_argument('--concurrency', required=True, help='requests at a time')
parser.add_argument('--requests', required=True, help='requests in total')
parser.add_argument('--duration', help='send for so long instead, such as 2m')
parser.add_argument('--timeout', required=True, help='seconds until one is given up')
parser.add_argument('--model', required=True)
parser.add_argument('--prompt', required=True)
parser.add_argument('--result', required=True)
args = parser.parse_args()

url = json.loads(Path(args.servers).read_text())[args.replicas]
amount = ['-z', args.duration] if args.duration else ['-n', args.requests]
words = ['-c', args.concurrency, *amount, '-t', args.timeout]
words += ['--model', args.model, '--prompt', args.prompt, '--dst_fpath', args.result, url]
os.execvp('kwdagger', ['kwdagger', 'llm', 'load', *words])
