"""Configurations of benchmark frameworks as their users have them, and programs to stand in."""

from __future__ import annotations

SCRIPT = """\
import argparse, json, os, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument('--benchmark-results-path', type=pathlib.Path, required=True)
args, rest = parser.parse_known_args()
folder = args.benchmark_results_path
folder.mkdir(parents=True, exist_ok=True)
print('told', json.dumps(rest))
print('a word on stderr', file=sys.stderr)
if '--output-path' in rest:
    scratch = pathlib.Path(rest[rest.index('--output-path') + 1])
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / 'left.bin').write_bytes(b'x')
(folder / 'params.json').write_text(json.dumps({'argv': sys.argv, 'executable': sys.executable}))
metrics = {'is_success': True, 'time_taken': 1.5, 'num_removed': 7}
(folder / 'metrics.json').write_text(json.dumps(metrics))
sys.exit(3 if 'fail' in rest else 0)
"""

FIRST_MATRIX = """\
# Example: removal_benchmark_matrix.yaml
default_timeout_s: 3600
results_dir: /path/to/results
artifacts_dir: /path/to/artifacts

# MLflow configuration
mlflow:
  tracking_uri: ${MLFLOW_TRACKING_URI}
  experiment: ray-curator-removal

# Optional Slack notifications
slack:
  webhook_env: SLACK_WEBHOOK_URL

entries:
  - name: removal_curator_dedup_id_xenna
    script: removal_benchmark.py
    args: >-
      --input-path {dataset:cleaned_cc,jsonl}
      --ids-to-remove-path /path/to/duplicates
      --output-path {session}/scratch
      --executor xenna
      --id-field _curator_dedup_id
      --files-per-partition 1
      --max-files 100
    timeout_s: 1800
    ray:
      num_cpus: 128
      num_gpus: 0
      enable_object_spilling: false
"""

FIRST_ANCHORS = """\
# Define reusable configs
ray_config: &default_ray
  num_cpus: 128
  num_gpus: 0

entries:
  - name: test_small
    ray: *default_ray
    args: --max-files 10

  - name: test_large
    ray: *default_ray
    args: --max-files 1000
"""

QUICK_START = """\
results_dir: "/benchmarking/results"

entries:
  - name: test_benchmark
    script: test_benchmark.py
    args: --iterations 100
    timeout_s: 300
"""

STRUCTURE = """\
# Required: Where to write results
results_dir: "/path/to/results"

# Optional: Where to write large artifacts (logs, scratch data)
artifacts_dir: "/path/to/artifacts"  # Defaults to results_dir/artifacts

# Optional: Global timeout for all entries (seconds)
default_timeout_s: 7200

# Optional: Delete scratch directories after each entry completes
delete_scratch: true

# Optional: Configure sinks for result processing
sinks:
  - name: mlflow
    tracking_uri: ${MLFLOW_TRACKING_URI}
    experiment: my-experiment
    enabled: true
  - name: slack
    webhook_url: ${SLACK_WEBHOOK_URL}
    enabled: true

# Optional: Define datasets for template substitution
datasets:
  - name: common_crawl
    formats:
      - type: json
        path: /data/cc_sample.jsonl
      - type: parquet
        path: /data/cc_sample.parquet

# Required: List of benchmark entries to run
entries:
  - name: my_benchmark
    script: my_script.py
    args: >-
      --input {dataset:common_crawl,parquet}
      --output {session_entry_dir}/output
    timeout_s: 1800
    ray:
      num_cpus: 32
      num_gpus: 1
    delete_scratch: false  # Override global setting
"""

EXAMPLE_1 = """\
results_dir: "./results"
entries:
  - name: quick_test
    script: test_benchmark.py
    args: --iterations 50
    timeout_s: 300
"""

EXAMPLE_2 = """\
results_dir: "./results"
datasets:
  - name: sample_data
    formats:
      - type: parquet
        path: /data/sample.parquet

entries:
  - name: benchmark_v1
    script: my_benchmark.py
    args: --input {dataset:sample_data,parquet} --algorithm v1

  - name: benchmark_v2
    script: my_benchmark.py
    args: --input {dataset:sample_data,parquet} --algorithm v2
"""

EXAMPLE_3 = """\
results_dir: "/benchmarks/results"
default_timeout_s: 7200

sinks:
  - name: mlflow
    tracking_uri: http://mlflow.example.com:5000
    experiment: nightly-benchmarks
    enabled: true
  - name: slack
    webhook_url: ${SLACK_WEBHOOK_URL}
    enabled: true

datasets:
  - name: cc_large
    formats:
      - type: parquet
        path: /data/common_crawl_large.parquet

entries:
  - name: cc_extraction
    script: common_crawl_benchmark.py
    args: >-
      --download_path {session_entry_dir}/scratch/downloads
      --output_path {session_entry_dir}/scratch/output
      --output_format parquet
      --url_limit 10000
    timeout_s: 14400
    ray:
      num_cpus: 128
      num_gpus: 8
"""

DATASET_PATHS = """\
{
  "cleaned_cc": {
    "jsonl": "/path/to/cleaned_common_crawl/",
    "parquet": "/path/to/cleaned_common_crawl_parquet/"
  },
  "another_dataset": {
    "jsonl": "/path/to/other/data/"
  }
}
"""

ENTRY = """\
- name: cc_benchmark
  script: common_crawl_benchmark.py
  args: --url_limit 100 --executor ray_data
  timeout_s: 3600
  ray:
    num_cpus: 64
    num_gpus: 1
"""

VARIABLES = """\
results_dir: "${HOME}/benchmarks/results"
sinks:
  - name: slack
    webhook_url: ${SLACK_WEBHOOK_URL}
"""

MLFLOW_SINK = """\
sinks:
  - name: mlflow
    tracking_uri: http://mlflow-server:5000
    experiment: my-experiment
    enabled: true
"""

SLACK_SINK = """\
sinks:
  - name: slack
    webhook_url: https://hooks.slack.com/services/YOUR/WEBHOOK/URL
    enabled: true
"""

DRIVE_SINK = """\
sinks:
  - name: gdrive
    enabled: false
"""

OWN_SINK = """\
sinks:
  - name: my_custom
    api_endpoint: https://api.example.com/benchmarks
    enabled: true
"""

SCRIPT_FOLDER = """\
entries:
  - name: my_benchmark
    script: my_benchmark.py  # Looks in benchmarking/scripts/
    script_base_dir: /custom/path  # Optional override
"""

CONTAINER_PLACES = """\
results_dir: /benchmarking/results
artifacts_dir: /benchmarking/artifacts
"""

NO_RAY = 'artifacts_dir: artifacts\nentries:\n- {name: %s, ray: {enabled: false}}\n'
"""A further file: the entry without its cluster, for which these tests have no time."""
