"""The processes that a test has started."""

import os

import psutil


def ours(folder):
    """Return the live processes that run in a folder of this test."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


def words_of(process):
    """Return the command line of a process; none of one that is gone, or nearly."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
