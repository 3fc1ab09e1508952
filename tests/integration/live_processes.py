"""The processes that a test has started."""

import os
import time

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


def nothing_left(folder, seconds=60):
    """Whether no process of this test runs, now or as soon as what is dying is gone."""
    end = time.monotonic() + seconds
    while ours(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
