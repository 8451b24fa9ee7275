"""The keeper as a process: beside the server, in a session of its own, one for each directory.

`python -m ring.network.keeper DIRECTORY OPTIONS` returns when the keeper of this version answers,
be it one that has been there; with the status 1, and the reason on standard error, when it cannot
be. One of another version, or in another network, is asked to leave first.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from ring.network.keeper.identity import identity
from ring.network.keeper.keeping import Keeping
from ring.network.keeper.link import place
from ring.network.keeper.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCK: Final = "keeper.lock"
LOG: Final = "keeper.log"
MOST_LOG_BYTES: Final = 256 * 1024
TURN_S: Final = 8.0
"""How long one waits for the keeper before to be gone."""
_LOOK_S: Final = 0.01
_ANSWER_S: Final = 2.0
_MOST_ANSWER_BYTES: Final = 4096
_MOST_FILES: Final = 1 << 20
_READY: Final = b"+"

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """The exit status, in the process that was started; the keeper itself does not return here."""
    _close_inherited()
    directory, options = Path(arguments[0]), Options.from_text(arguments[1])
    # Its starter waits for the end of what it says, which a loop such as uvloop hands down twice.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    told, telling = os.pipe()
    if os.fork():
        os.close(telling)
        return _status(told)
    os.close(told)
    os.setsid()
    os.umask(0o077)
    os.chdir("/")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _detach(directory)
        _keep(directory, options, telling)
    except OSError as error:
        _log.error("%s", error)
        # Whoever was told that it is ready does not read this, and has closed his end.
        with contextlib.suppress(OSError):
            os.write(telling, str(error).encode())
        return 1
    return 0


def _close_inherited() -> None:
    """uvloop leaves files of the server open in what it starts, even its own end of a pipe."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(3, min(most, _MOST_FILES) if most != resource.RLIM_INFINITY else _MOST_FILES)


def _status(told: int) -> int:
    """What came of it, once that is known."""
    with os.fdopen(told, "rb") as reader:
        said = reader.read(_MOST_ANSWER_BYTES)
    if said.startswith(_READY):
        return 0
    print(said.decode(errors="replace") or "it ended at once", file=sys.stderr)  # noqa: T201
    return 1


def _keep(directory: Path, options: Options, telling: int) -> None:
    """Raises OSError."""
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def ready() -> None:
        os.write(telling, _READY)
        os.dup2(0, telling)  # the reader sees the end, and the number is not used again

    if not _has_turn(directory, lock, identity(options.version)):
        ready()
        return

    async def run() -> None:
        await Keeping(directory, options).run(ready, lambda: os.close(lock))

    asyncio.run(run())


def _detach(directory: Path) -> None:
    """From where it was started: nothing comes in, and what it says goes to its log."""
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(directory / LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for number, target in ((0, nothing), (1, nothing), (2, log)):
        os.dup2(target, number)
    os.close(nothing)
    os.close(log)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", handlers=[_Log(sys.stderr)]
    )


class _Log(logging.StreamHandler[TextIO]):
    """Begins anew when it is full."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            if os.fstat(2).st_size > MOST_LOG_BYTES:
                os.ftruncate(2, 0)
        super().emit(record)


def _has_turn(directory: Path, lock: int, own: str) -> bool:
    """Takes the lock, for which one before that is different has to go. False: there is one just
    as this. Raises OSError."""
    deadline = time.monotonic() + TURN_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return True
        if _asked(directory, "hello").get("identity") == own:
            return False
        if time.monotonic() > deadline:
            raise TimeoutError(f"the keeper before, in {directory}, does not end")
        _asked(directory, "leave")
        time.sleep(_LOOK_S)


def _asked(directory: Path, what: str) -> dict[str, object]:
    """Of who is there; empty: nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.settimeout(_ANSWER_S)
        try:
            descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                made.connect(place(descriptor))
            finally:
                os.close(descriptor)
            made.sendall(json.dumps({"do": what}).encode() + b"\n")
            told = json.loads(made.recv(_MOST_ANSWER_BYTES))
        except (OSError, ValueError):
            return {}
    return told if isinstance(told, dict) else {}
