"""Ports for servers that are told their port."""

import socket


def free_ports(count, host='127.0.0.1'):
    """Return a port from which on `count` ports in a row are free just now."""
    while True:
        with socket.socket() as first:
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port + count <= 65536 and all(_is_free(host, port + n) for n in range(1, count)):
                return port


def free_port(host='127.0.0.1'):
    """Return a port that is free just now."""
    return free_ports(1, host)


def _is_free(host, port):
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
