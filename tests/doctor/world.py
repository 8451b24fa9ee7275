"""A machine for doctor: a root of its own, programs of its own, an engine or none."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.doctor import look
from ring.doctor.host import Host

if TYPE_CHECKING:
    from pathlib import Path

    from ring.doctor.report import Check, Group

ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


@dataclass
class Machine:
    base: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("root", "bin", "etc"):
            (self.base / name).mkdir()
        self.environ |= {
            "RING_CONFIG_DIR": str(self.base / "etc"),
            "RING_SECRET_KEY": "A" * 43 + "=",
            "PATH": str(self.base / "bin"),
            "DOCKER_HOST": f"unix://{self.base}/no.sock",
        }
        self.file("/proc/net/route", ROUTES)
        self.file("/proc/net/fib_trie", "Main:\n     |-- 127.0.0.1\n        /32 host LOCAL\n")
        self.file("/proc/locks")
        self.file("/sys/fs/cgroup/cgroup.controllers")
        self.capabilities(os.getpid(), 0)

    @property
    def config(self) -> Path:
        return self.base / "etc" / "config.toml"

    def write(self, text: str) -> None:
        self.config.write_text(text)

    def file(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        place = self.base / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        return place

    def program(self, name: str, *lines: str) -> Path:
        """A program in PATH that does what these lines of shell say."""
        place = self.base / "bin" / name
        place.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
        place.chmod(0o755)
        return place

    def route(self, interface: str, destination: str, mask: str) -> None:
        """As the kernel prints it on a little-endian machine, which tests run on."""
        raw = [
            "".join(f"{int(octet):02X}" for octet in reversed(text.split(".")))
            for text in (destination, mask)
        ]
        path = self.base / "root/proc/net/route"
        line = f"{interface}\t{raw[0]}\t00000000\t0001\t0\t0\t0\t{raw[1]}\t0\t0\t0\n"
        path.write_text(path.read_text() + line)

    def capabilities(self, pid: int, effective: int) -> None:
        self.file(f"/proc/{pid}/status", f"Name:\tx\nCapEff:\t{effective:016x}\nCapBnd:\tffff\n")

    async def look(self) -> dict[str, Group]:
        groups = await look(None, None, Host(self.environ, self.base / "root"))
        return {group.title: group for group in groups}

    def groups(self) -> dict[str, Group]:
        return asyncio.run(self.look())

    def check(self, title: str, name: str) -> Check:
        """The one check of this name."""
        (found,) = [check for check in self.groups()[title].checks if check.name == name]
        return found
