"""`ProcessGroup`: a process that we started in a session of its own, and all that it started."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from kwdagger.rundir.claims import process_fields, this_process
from kwdagger.rundir.processes import Process, end_processes

_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The process that leads the group, by its id, its start time and the boot it belongs to.

    A number that the kernel gave to someone else meanwhile is not taken for ours.
    """

    pid: int
    start: int
    boot_id: str

    @property
    def leader(self) -> Process:
        """Return the first process of the group."""
        return Process(self.pid, self.start)

    def leads(self) -> bool:
        """Whether the leader lives."""
        return self.boot_id == this_process().boot_id and self.leader.lives()

    def members(self) -> list[Process]:
        """Return the living processes of the group, also where the leader is gone."""
        if self.boot_id != this_process().boot_id:
            return []
        leader = process_fields(self.pid)
        if leader and int(leader[19]) != self.start:
            return []  # as long as a group has members, the kernel gives nobody its number
        return [
            Process(int(name), int(fields[19]))
            for name in os.listdir('/proc')
            if name.isdecimal() and self._holds(fields := process_fields(int(name)))
        ]

    def end(self, grace_seconds: float) -> bool:
        """End the group: TERM, and after the grace KILL; return whether it is gone."""
        deadline = time.monotonic() + grace_seconds + _END_SECONDS
        while members := self.members():  # one that ends may have started another
            if time.monotonic() > deadline or end_processes(members, grace_seconds):
                return False
        return True

    def _holds(self, fields: list[bytes]) -> bool:
        return (
            bool(fields)
            and fields[0] not in (b'Z', b'X')
            and int(fields[2]) == int(fields[3]) == self.pid
            and int(fields[19]) >= self.start
        )


def group_of(pid: int) -> ProcessGroup | None:
    """Return the group that a process leads; None when it is gone."""
    fields = process_fields(pid)
    return ProcessGroup(pid, int(fields[19]), this_process().boot_id) if fields else None
