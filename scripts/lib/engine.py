"""Where the parts of a private engine are, and how their processes are begun and ended."""

# It runs fixed argument lists.
# ruff: noqa: S603

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASE_VARIABLE = "RING_TEST_RELEASE"
"""Of which release a new engine is when nobody says: `exec` hands on that of its own."""
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class EngineProblem(Exception):
    """The engine could not be brought where it should be."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where the parts of one private engine are."""

    root: Path
    namespace: str
    release: str | None = None
    """The Debian release that its programs are of; None are the machine's own."""

    @property
    def socket(self) -> Path:
        return self.root / "docker.sock"

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def podman(self) -> Path:
        """All that its Podman keeps."""
        return self.root / "podman"

    @property
    def podman_host(self) -> str:
        return f"unix://{self.root}/podman.sock"

    @property
    def network(self) -> Path:
        return Path("/var/run/netns") / self.namespace

    @property
    def containerd_socket(self) -> Path:
        return self.root / "containerd.sock"

    def command(self, *argv: str) -> list[str]:
        """The command line that runs argv inside the engine's network namespace.

        `ip netns exec` would remount /sys and hide the cgroups.
        """
        return ["nsenter", f"--net={self.network}", "--", *argv]


def engine_at(root: Path, name: str | None = None, release: str | None = None) -> Engine:
    """The engine of this directory, running or not."""
    root = root.resolve()
    known = _recorded(root, "namespace")
    if name and known and name != known:
        raise EngineProblem(f"the engine in {root} has the namespace {known}, not {name}")
    programs = _recorded(root, "release")
    if release and known and release != programs:
        raise EngineProblem(f"the engine in {root} is of {programs or 'the machine'}: end it first")
    if not known:
        programs = release or os.environ.get(RELEASE_VARIABLE)
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()
    return Engine(root, name or known or f"ring-{digest[:8]}", programs)


def _recorded(root: Path, what: str) -> str | None:
    file = root / what
    return file.read_text().strip() if file.exists() else None


def record(engine: Engine) -> None:
    engine.root.mkdir(parents=True, exist_ok=True)
    if engine.release:
        (engine.root / "release").write_text(engine.release)
    (engine.root / "namespace").write_text(engine.namespace)


def make_namespace(engine: Engine) -> None:
    if not engine.network.exists():
        run("ip", "netns", "add", engine.namespace)
    run(*engine.command("ip", "link", "set", "lo", "up"))


def spawn_part(engine: Engine, part: str, argv: list[str]) -> None:
    """Starts a part in the namespace. nsenter replaces itself: the process id is the part's."""
    log = os.fspath(engine.root / f"{part}.log")
    command = engine.command(*argv)
    pid = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    (engine.root / f"{part}.process").write_text(str(pid))


def await_part(engine: Engine, part: str, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_ready():
        if time.monotonic() > deadline or not is_alive(engine, part):
            log = (engine.root / f"{part}.log").read_text(errors="replace").splitlines()
            raise EngineProblem("\n".join([f"{part} is not ready; its log ends:", *log[-10:]]))
        time.sleep(0.1)


def pid_of(engine: Engine, part: str) -> int | None:
    """The process of this part, if it is still the one that was started here."""
    try:
        pid = int((engine.root / f"{part}.process").read_text())
    except (FileNotFoundError, ValueError):
        return None
    argv = command_line(pid)
    deadline = time.monotonic() + 1.0
    while not argv and not _is_dead(pid) and time.monotonic() < deadline:
        time.sleep(0.01)  # a process that just executes another program has none for a moment
        argv = command_line(pid)
    return pid if any(f"{engine.root}/" in word for word in argv) else None


def is_alive(engine: Engine, part: str) -> bool:
    return pid_of(engine, part) is not None


def end_part(engine: Engine, part: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = pid_of(engine, part)
        if pid is None:
            break
        os.kill(pid, number)
        wait_until(lambda: pid_of(engine, part) is None)
    (engine.root / f"{part}.process").unlink(missing_ok=True)


def signal_part(engine: Engine, part: str, number: signal.Signals) -> None:
    """Kills, stops or continues it. Returns when one that was killed is gone."""
    pid = pid_of(engine, part)
    if pid is None:
        raise EngineProblem(f"no {part} runs in {engine.root}")
    os.kill(pid, number)
    if number is signal.SIGKILL and not wait_until(lambda: not is_alive(engine, part)):
        raise EngineProblem(f"the {part} in {engine.root} cannot be killed")


def hold_view(engine: Engine, part: str, argv: list[str]) -> None:
    """Starts a process that keeps a view of the file system; returns when the view is made."""
    if not is_alive(engine, part):
        spawn_part(engine, part, argv)
        await_part(engine, part, lambda: command_line(holder_of(engine, part))[:1] == ["tail"])


def holder_of(engine: Engine, part: str) -> int:
    pid = pid_of(engine, part)
    if pid is None:
        raise EngineProblem(f"no {part.partition('-')[0]} was started in {engine.root}")
    return pid


def mounts_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino
    except OSError:
        return 0


def end_all_that_sees(mounts: int) -> None:
    """Every process with this view of the file system, and all below them."""
    family = [pid for pid in running_processes() if mounts_of(pid) == mounts]
    for pid in [*(below for one in family for below in descendants(one)), *family]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(functools.partial(all_gone, family))


def release_mounts(root: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([_unescaped(point) for point in points]):
        if Path(point).is_relative_to(root):
            run("umount", "--lazy", point)


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)


def running_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_dead(pid: int) -> bool:
    """The state follows the name, which may hold anything but ends at the last bracket: proc(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def command_line(pid: int) -> list[str]:
    """Empty for a process that is gone, or dead and not yet reaped."""
    try:
        content = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [os.fsdecode(word) for word in content.split(b"\0") if word]


def descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [found for child in children for found in (*descendants(int(child)), int(child))]


def all_gone(pids: list[int]) -> bool:
    return not any(command_line(pid) for pid in pids)


def wait_until(is_done: Callable[[], bool]) -> bool:
    """Waits at most STOP_TIMEOUT_S; False when it was not done by then."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while not (done := is_done()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return done


def run(*argv: str) -> None:
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise EngineProblem(f"{' '.join(argv)}: {result.stderr.strip()}")
