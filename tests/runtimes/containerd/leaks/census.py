"""Everything that could leak, counted: what containerd has, and the kernel, and the disk."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.engine import command_line, pid_of, running_processes

from tests.contract.containerd import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from scripts.engines import Engine

ADDRESSES = Path("/var/lib/cni/networks")
NETWORKS = Path("/run/netns")
CGROUPS = Path("/sys/fs/cgroup")
_OF_THE_KEEPERS = re.compile(r"(keeper\.(lock|log|sock)|control\.sock|logs\.(sock|err|lock))$")
"""Their own files: there as long as they are."""
_NUMBER = re.compile(r"\d+")


class Census:
    """Kinds of things, each with what there is of it and how often."""

    def __init__(self, found: dict[str, Counter[str]]) -> None:
        self._found = found

    def __getitem__(self, kind: str) -> Counter[str]:
        return self._found[kind]

    def differences(self, before: Census, without: Collection[str] = ()) -> list[str]:
        """What is more (+) or less (-) than before, by kind; some kinds may be left out."""
        told = []
        for kind in self._found.keys() - set(without):
            now, then = self._found[kind], before[kind]
            told += [f"+ {kind}: {one} ({n})" for one, n in sorted((now - then).items())]
            told += [f"- {kind}: {one} ({n})" for one, n in sorted((then - now).items())]
        return told

    def sizes(self) -> str:
        """One line: how many of each kind."""
        return ", ".join(f"{kind} {found.total()}" for kind, found in self._found.items())


def census(engine: Engine, homes: Iterable[Path], mark: str, program: int = 0) -> Census:
    """As it is now. homes: the directories that servers write into; mark: begins every name that
    the test gives; program: the process whose descriptors count, 0 is this one."""
    folders = [*homes]
    kept = {
        "containers": _ctr(engine, "containers", "list", "-q"),
        "tasks": _ctr(engine, "tasks", "list", "-q"),
        "images": _ctr(engine, "images", "list", "-q"),
        "content": _ctr(engine, "content", "list", "-q"),
        "ingests": _ctr(engine, "content", "active"),
        "snapshots": _first_words(_ctr(engine, "snapshots", "list")),
        "leases": _first_words(_ctr(engine, "leases", "list")),
        "bundles": _names(engine.root.glob("containerd*/io.containerd.runtime.v2.task/*/*")),
        "snapshot folders": _names(engine.root.glob("containerd/*snapshotter*/snapshots/*")),
        "mounts": _mounts(engine, folders, mark),
        "network namespaces": _names(NETWORKS.glob(f"{mark}*")),
        "addresses": map(str, ADDRESSES.glob(f"ring_{mark}*/*.*.*.*")),
        "links": _links(),
        "rules": _rules(),
        "files": _files(folders),
        "cgroups": _cgroups(mark),
        "processes": _processes(engine),
        "descriptors": _descriptors(program or os.getpid()),
        "descriptors of keepers": _of_keepers(engine),
        "descriptors of containerd": _of_containerd(engine),
    }
    return Census({kind: Counter(found) for kind, found in kept.items()})


def printed(*argv: str) -> list[str]:
    """The lines that it prints."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


def keepers(engine: Engine) -> dict[str, int]:
    """The helper processes in the engine's network, by the name of their module."""
    found = {}
    for pid in _inside(engine):
        words = " ".join(command_line(pid))
        for name in ("ring.network.keeper", "logkeeper"):
            if name in words:
                found[name] = pid
    return found


def shims(engine: Engine) -> dict[str, int]:
    """Their processes, by the id of what they run."""
    address = os.fspath(engine.containerd_socket)
    found = {}
    for pid in running_processes():
        argv = command_line(pid)
        if argv and "containerd-shim" in argv[0] and address in argv:
            found[argv[argv.index("-id") + 1]] = pid
    return found


def _ctr(engine: Engine, *argv: str) -> list[str]:
    return printed("ctr", "-a", os.fspath(engine.containerd_socket), "-n", NAMESPACE, *argv)


def _first_words(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines[1:] if line.strip()]


def _names(paths: Iterable[Path]) -> list[str]:
    return [path.name for path in paths]


def _mounts(engine: Engine, homes: list[Path], mark: str) -> Iterator[str]:
    places = (os.fspath(engine.root), *map(os.fspath, homes), f"{NETWORKS}/{mark}")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if (point := line.split()[4]).startswith(places):
            yield point


def _links() -> list[str]:
    return [line.split(": ")[1].partition("@")[0] for line in printed("ip", "-o", "link")]


def _rules() -> list[str]:
    return [
        f"{program} {table} {rule}"
        for program in ("iptables", "ip6tables")
        for table in ("nat", "filter", "mangle")
        for rule in printed(program, "-w", "-t", table, "-S")
    ]


def _files(homes: list[Path]) -> Iterator[str]:
    for home in homes:
        for path in home.rglob("*"):
            if not _OF_THE_KEEPERS.search(path.name) and "__pycache__" not in path.parts:
                yield os.fspath(path)


def _cgroups(mark: str) -> list[str]:
    return _names(path for path in CGROUPS.glob(f"*/ring/{mark}*"))


def _inside(engine: Engine) -> list[int]:
    return [int(pid) for pid in printed("ip", "netns", "pids", engine.namespace)]


def _processes(engine: Engine) -> list[str]:
    found = [f"keeper {name}" for name in keepers(engine)]
    return [*found, *(f"shim {container_id}" for container_id in shims(engine))]


def _descriptors(pid: int) -> list[str]:
    """What they lead to, without numbers of it."""
    found = []
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            found.append(_NUMBER.sub("", os.fspath(path.readlink())))
        except OSError:
            continue  # the one that lists them
    return found


def _of_keepers(engine: Engine) -> list[str]:
    return [f"{name}: {one}" for name, pid in keepers(engine).items() for one in _descriptors(pid)]


def _of_containerd(engine: Engine) -> list[str]:
    pid = pid_of(engine, "containerd")
    return [] if pid is None else _descriptors(pid)
