"""The child process of one loaded model: llama.cpp's own HTTP server, by way of xllamacpp.

Prints its address once the model is loaded and ends when its standard input is closed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys


def main() -> None:
    """Serve one model until standard input ends or SIGTERM comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--gguf', required=True)
    parser.add_argument('--num_ctx', type=int, required=True)
    parser.add_argument('--num_parallel', type=int, required=True)
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the front as well
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = asked.gguf
    params.n_ctx = asked.num_ctx * asked.num_parallel  # llama.cpp shares it out among slots
    params.n_parallel = asked.num_parallel
    params.kv_unified = False
    params.warmup = False
    params.n_gpu_layers = 0
    params.fit_params = False
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
    params.hostnames = ['127.0.0.1']
    params.port = 0
    server = xllamacpp.Server(params)
    sys.stdout.write(f'{server.listening_address}\n')
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # its threads need no farewell


if __name__ == '__main__':
    main()
