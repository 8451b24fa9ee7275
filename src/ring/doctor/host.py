"""This machine as doctor sees it: its files, its programs, its control groups."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ring.doctor.report import Check, failed, passed
from ring.settings.places import at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.settings.sources import Environ

_MOST_OUTPUT = 8192  # bytes of what a program says of itself


class Said(NamedTuple):
    """What a program answered."""

    code: int
    lines: tuple[str, ...]

    @property
    def first(self) -> str:
        return self.lines[0] if self.lines else ""


@dataclass(frozen=True, slots=True)
class Host:
    environ: Environ
    root: Path = Path("/")
    """Where absolute paths begin."""

    def at(self, path: str) -> Path:
        return at(self.root, path)

    def which(self, program: str) -> str | None:
        """The program's path: by PATH, or itself when it is one."""
        return shutil.which(program, path=self.environ.get("PATH", os.defpath))

    async def ask(self, program: str, *arguments: str) -> Said | None:
        """Run a program for what it says of itself; None when it cannot be started.

        It gets no variable but PATH: no secret of ours is any of its business. Ended with all that
        it started when its caller stops waiting.
        """
        path = await asyncio.to_thread(self.which, program)
        if path is None:
            return None
        try:
            process = await asyncio.create_subprocess_exec(
                path,
                *arguments,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                env={"PATH": self.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError:
            return None
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            text = b""
            while len(text) < _MOST_OUTPUT and (more := await process.stdout.read(_MOST_OUTPUT)):
                text += more
            code = await process.wait()
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return Said(code, _lines(text))


def _lines(text: bytes) -> tuple[str, ...]:
    shown = text.decode("utf-8", "replace").splitlines()
    return tuple(line.strip() for line in shown if line.strip())


def in_path(host: Host, program: str, package: str) -> Check:
    """Whether a program is there; `package` is what to install."""
    path = host.which(program)
    if path is None:
        return failed(program, f"not found in PATH: install the package {package}")
    return passed(program, path)


def cgroups(host: Host) -> Check:
    """Both versions of control groups work."""
    base = host.at("/sys/fs/cgroup")
    if (base / "cgroup.controllers").exists():
        return passed("cgroups", "version 2")
    if (base / "memory").is_dir():
        return passed("cgroups", "version 1")
    return failed("cgroups", "no control groups at /sys/fs/cgroup: limits and statistics need them")


def nft(host: Host) -> Check:
    """Never a failure: only policies between instances need it."""
    path = host.which("nft")
    without = "not found; only network policies need it (package nftables)"
    return passed("nft", path or without)


async def program_runs(host: Host, name: str, arguments: Sequence[str], missing: str) -> Check:
    """Whether a program starts and ends well; the detail is its first line."""
    said = await host.ask(name, *arguments)
    if said is None:
        return failed(name, missing)
    if said.code != 0:
        return failed(name, f"`{name} {' '.join(arguments)}` ends with {said.code}: {said.first}")
    return passed(name, said.first or "runs")
