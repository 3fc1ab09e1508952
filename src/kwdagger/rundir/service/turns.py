"""`Turn`: how many instances of a service run at a time on one host, over all calls of a user."""

from __future__ import annotations

import fcntl
import os

from kwdagger.rundir.service.facts import boot_id, end_group, lives, try_lock


class Turn:
    """A place among those that the `limit` of a service allows.

    A place is a locked file that names the process of the service, so that whoever gets the place
    of a keeper that was killed can end what it left. Who waits holds ``wanted``, shared.
    """

    def __init__(self, name: str, limit: int, stop_seconds: float) -> None:
        self.name, self.limit, self.stop_seconds = name, limit, stop_seconds
        self.place: int | None = None
        self.wanted: int | None = None

    def take(self) -> bool:
        """Take a free place; where there is none, be seen to wait."""
        if not self.limit:
            return True
        for index in range(self.limit):
            place = self.open_lock(str(index))
            if try_lock(place):
                self.place = place
                if self.wanted is not None:
                    os.close(self.wanted)
                self.clear(place)
                return True
            os.close(place)
        if self.wanted is None:
            self.wanted = self.open_lock('wanted')
            fcntl.flock(self.wanted, fcntl.LOCK_SH)
        return False

    def clear(self, place: int) -> None:
        """End the service that the file of a place names."""
        words = os.pread(place, 100, 0).split()
        if len(words) == 3 and words[2].decode() == boot_id():
            pid, start = int(words[0]), int(words[1])
            if lives(pid, start):
                end_group(pid, self.stop_seconds)

    def note(self, text: str) -> None:
        """Say which process has the place; nothing once it is gone."""
        if self.place is not None:
            os.ftruncate(self.place, 0)
            os.pwrite(self.place, text.encode(), 0)

    def is_wanted(self) -> bool:
        """Whether another instance waits for a place."""
        if not self.limit:
            return False
        lock = self.open_lock('wanted')
        try:
            return not try_lock(lock)
        finally:
            os.close(lock)

    def open_lock(self, what: str) -> int:
        """Return a descriptor of a lock file of this host and user."""
        folder = os.environ.get('KWDAGGER_LEASE_DIR')
        if not folder:
            folder = '/run/lock' if os.access('/run/lock', os.W_OK) else '/tmp'
            folder += '/kwdagger-devices'
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o1777)
        name = f'service-{os.getuid()}-{self.name}-{what}.lock'
        return os.open(f'{folder}/{name}', os.O_RDWR | os.O_CREAT, 0o666)
