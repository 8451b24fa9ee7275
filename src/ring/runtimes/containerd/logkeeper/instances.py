"""One instance's FIFOs, and the log that they are read into."""

# pathlib and contextlib are half of what this process would weigh.
# ruff: noqa: PTH118, PTH119

from __future__ import annotations

import os
import time

from ring.runtimes.containerd.logkeeper import fifos
from ring.runtimes.containerd.logkeeper.files import LogFile
from ring.runtimes.containerd.logkeeper.records import STREAMS, Records, Stamps

READ_BYTES = 128 * 1024
"""Of one FIFO, before the next has its turn."""
RETRY_S = 1.0
PATIENCE_S = 5.0
"""How long a program is kept waiting for a log that cannot be written, before lines are lost."""

_TURNS = 2 * fifos.LARGEST_BYTES // READ_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.runtimes.containerd.logkeeper.files import Limits
    from ring.runtimes.containerd.logkeeper.hub import Hub


class Instance:
    """Reads both streams while the log can be written.

    When it cannot, such as on a full disk, nothing is read: the program blocks as soon as its FIFO
    is full, and nothing is lost. A log that stays unwritable must not stop what an instance is
    there for: after PATIENCE_S its lines are dropped, and the log says how many once it takes them.

    What a keeper has in hand when it is killed is lost: of one stream, at most READ_BYTES.
    """

    def __init__(
        self, directory: str, limits: Limits, hub: Hub, fifo_bytes: Callable[[], int]
    ) -> None:
        """fifo_bytes: how large a FIFO should be that is opened now."""
        self._directory = directory
        self._fifo_bytes = fifo_bytes
        self._hub = hub
        self._file = LogFile(limits, os.path.basename(directory))
        self._stamps = Stamps()
        self._open: dict[int, Records] = {}
        """The streams that are being read, by their descriptors."""
        self.retry_at = 0.0
        """When an unwritable log is tried again, monotonic; 0: it can be written."""
        self._failing_since = 0.0
        self._has_given_up = False
        self._lost = 0
        self._why = ""
        try:
            self._unfinished = self._file.unfinished()
        except OSError:
            self._unfinished = frozenset()

    def is_drained(self) -> bool:
        """Nobody writes any more, or has begun to, and all that was written is in the log.

        Nothing is closed by asking: a writer may be about to come.
        """
        return not self._file.is_behind and all(self._take(fd) == b"" for fd in list(self._open))

    def open(self) -> None:
        """Both FIFOs, also where they are open: they tell no more that an earlier writer left.

        What that one wrote is read first. Raises OSError.
        """
        self.settle()
        known = {records.stream: fd for fd, records in self._open.items()}
        for stream in STREAMS:
            if stream in known:
                fd = self._renew(known[stream])
            else:
                fd = self._read(Records(stream, is_open=stream in self._unfinished))
            records = self._open[fd]
            if not self._is_paused and records.is_open and self._take(fd) == b"":
                self._end(records)
        self._unfinished = frozenset()

    def settle(self) -> None:
        """Reads all that is there."""
        for fd in list(self._open):
            for _ in range(_TURNS):  # a writer may be as quick as this
                if self._is_paused or not self.turn(fd):
                    break

    def turn(self, fd: int) -> bool:
        """Reads one FIFO once: whether there was anything.

        Without a writer it is opened anew, so that it tells no more that one left. It is never
        without a reader: the next writer may be on its way, and would wait for one for ever.
        """
        written = self._take(fd)
        if written == b"":
            records = self._open[fd]
            try:
                self._renew(fd)
            except OSError:  # it is being removed
                self._leave(fd)
            self._end(records)
        return bool(written)

    def has_writer(self) -> bool:
        """Whether anything may still come."""
        return self._is_paused or any(self._take(fd) != b"" for fd in list(self._open))

    def retry(self) -> None:
        """To write what could not be written, once its time has come."""
        self._write(b"", self._now())

    def close(self) -> None:
        for fd in list(self._open):
            self._leave(fd)
        self._file.close()

    def reopen_log(self) -> None:
        """Whatever comes next is written where the limits say now."""
        self._file.close()

    @property
    def _is_paused(self) -> bool:
        return self.retry_at > 0 and not self._has_given_up

    def _now(self) -> bytes:
        return self._stamps.at(time.time_ns())

    def _watch(self, fd: int) -> None:
        self._hub.watch(fd, lambda: self.turn(fd))

    def _read(self, records: Records) -> int:
        """From now on: its descriptor. Raises OSError."""
        path = os.path.join(self._directory, records.stream.decode())
        fd = fifos.opened(path, self._fifo_bytes())
        self._open[fd] = records
        if not self._is_paused:
            self._watch(fd)
        return fd

    def _renew(self, fd: int) -> int:
        """Opened once more before it is closed: there is a reader all the time. Raises OSError."""
        new = self._read(self._open[fd])
        self._leave(fd)
        return new

    def _leave(self, fd: int) -> None:
        self._hub.leave(fd)
        os.close(fd)
        del self._open[fd]

    def _take(self, fd: int) -> bytes | None:
        """What a read of it gave, which is stored; empty: it has no writer, None: nothing now."""
        try:
            written = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return None
        if written:
            stamp = self._now()
            self._store(self._open[fd].take(written, stamp), stamp)
        return written

    def _end(self, records: Records) -> None:
        stamp = self._now()
        if end := records.end(stamp):
            self._store(end, stamp)
        if not self.retry_at and not self.has_writer():
            self._file.close()

    def _store(self, records: bytes, stamp: bytes) -> None:
        if self._has_given_up and time.monotonic() < self.retry_at:
            self._lost += records.count(b"\n")
        else:
            self._write(records, stamp)

    def _write(self, records: bytes, stamp: bytes) -> None:
        try:
            if self._has_given_up:
                self._file.write(self._lament(stamp), stamp)
                self._lost = 0
            self._file.write(records, stamp)
        except OSError as error:
            self._failed(error)
        else:
            self._recovered()

    def _lament(self, stamp: bytes) -> bytes:
        said = f"stderr F {self._lost} lines were lost: the log could not be written: {self._why}\n"
        return stamp + said.encode()

    def _failed(self, error: OSError) -> None:
        now = time.monotonic()
        self._why = error.strerror or "unknown"
        self.retry_at = now + RETRY_S
        if self._has_given_up:
            self._lost += self._file.drop()
        elif not self._failing_since:
            self._failing_since = now
            for fd in self._open:
                self._hub.leave(fd)
        elif now - self._failing_since >= PATIENCE_S:
            self._has_given_up = True
            self._lost = self._file.drop()
            for fd in self._open:
                self._watch(fd)

    def _recovered(self) -> None:
        if not self.retry_at:
            return
        was_paused = self._is_paused
        self.retry_at = self._failing_since = 0.0
        self._has_given_up = False
        if was_paused:
            for fd in self._open:
                self._watch(fd)
