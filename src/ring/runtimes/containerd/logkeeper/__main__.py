"""`python -I -S __main__.py RUN_DIR LOG_DIR MAX_BYTES MAX_FILES VERSION IDLE_S`

Exits with 0 once the keeper runs, which is this process's child, or where another one does.
"""

# pathlib and contextlib are half of what this process would weigh.
# ruff: noqa: PTH100, PTH103, PTH108, PTH118, PTH123, SIM105

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys

LONGEST_SOCKET_PATH = 107


def main(arguments: list[str]) -> int:
    run_dir, log_dir, max_bytes, max_files, version, idle_s = arguments
    os.umask(0o077)
    os.makedirs(run_dir, 0o700, exist_ok=True)
    lock = os.open(os.path.join(run_dir, "logs.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    _open_more_files()
    _outlive()
    path = os.path.join(run_dir, "logs.sock")
    listener = _listener(run_dir, path)
    ours = _identity(path)
    limits = Limits(log_dir, int(max_bytes), int(max_files))
    keeper = Keeper(run_dir, limits, listener, version=version, idle_s=float(idle_s))
    keeper.open_all()
    # An epoll belongs to the descriptors, not to the process: the child goes on with it.
    if os.fork():
        os._exit(0)
    keeper.run(_stopped())
    keeper.close()
    # The directory may have been removed and made again, and have a keeper of its own.
    if ours is not None and _identity(path) == ours:
        os.unlink(path)
    # Before the connections end with this process: whoever sees that begins the next keeper.
    os.close(lock)
    return 0


def _listener(run_dir: str, path: str) -> socket.socket:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        listener.bind(path)
    else:
        directory = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        listener.bind(f"/proc/self/fd/{directory}/logs.sock")
        os.close(directory)
    listener.listen(16)
    return listener


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _open_more_files() -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _outlive() -> None:
    """Where memory runs out, this is the last to be killed: every instance's output is in it."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("-999")
    except OSError:  # not root
        pass


def _stopped() -> int:
    """Readable once somebody wants this process to end."""
    ours, signals = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(signals)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return ours


if __name__ == "__main__":
    # Run by its path: nothing but the standard library is found by itself.
    sys.path.insert(0, os.path.abspath(__file__).rsplit("/", 5)[0])
    from ring.runtimes.containerd.logkeeper.files import Limits
    from ring.runtimes.containerd.logkeeper.keeper import Keeper

    sys.exit(main(sys.argv[1:]))
