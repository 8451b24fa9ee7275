"""A private containerd, below a dockerd or by itself."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.engine import (
    EngineProblem,
    all_gone,
    await_part,
    command_line,
    descendants,
    end_all_that_sees,
    end_part,
    engine_at,
    hold_view,
    holder_of,
    is_alive,
    make_namespace,
    mounts_of,
    record,
    running_processes,
    signal_part,
    spawn_part,
    wait_until,
)
from scripts.lib.releases import see_programs

if TYPE_CHECKING:
    from scripts.lib.engine import Engine

DOCKER_MOUNTS = "docker-mounts"
"""A process that keeps the view of the file system that an engine of another release has."""


def containerd_up(root: Path) -> Engine:
    """One without a dockerd; returns when it answers. Nothing happens when it runs."""
    engine = engine_at(root)
    settle(engine)
    start_containerd(engine)
    return engine


def settle(engine: Engine) -> None:
    """All that an engine's parts need before the first of them starts."""
    if len(os.fsencode(engine.containerd_socket)) > 100:
        raise EngineProblem(f"{engine.root} is too long for a Unix socket: use a shorter one")
    record(engine)
    make_namespace(engine)
    if engine.release:
        hold_view(engine, DOCKER_MOUNTS, _docker_mounts(engine))


def start_containerd(engine: Engine) -> None:
    """Unless it runs already; returns when it answers. What an earlier one ran is taken up."""
    if not is_alive(engine, "containerd"):
        _start(engine)
    await_part(engine, "containerd", lambda: _accepts(engine.containerd_socket))


def signal_containerd(engine: Engine, number: signal.Signals) -> None:
    """Kills, stops or continues it, and none of its shims: what they run goes on."""
    signal_part(engine, "containerd", number)


def containerd_down(engine: Engine) -> None:
    """Ends it and what it left."""
    end_part(engine, "containerd")
    _end_shims(engine)
    if is_alive(engine, DOCKER_MOUNTS):
        end_all_that_sees(mounts_of(holder_of(engine, DOCKER_MOUNTS)))


def docker_view(engine: Engine, argv: list[str]) -> list[str]:
    """The command that runs argv where the engine's own programs are seen."""
    if engine.release is None:
        return argv
    return ["nsenter", f"--mount=/proc/{holder_of(engine, DOCKER_MOUNTS)}/ns/mnt", "--", *argv]


def _docker_mounts(engine: Engine) -> list[str]:
    script = f'set -e; {see_programs(engine)}exec tail -f "$0"'
    folder = os.fspath(engine.root / "namespace")
    return ["unshare", "--mount", "--propagation=slave", "sh", "-c", script, folder]


def _start(engine: Engine) -> None:
    """One of our own: dockerd would use the machine's where it finds one."""
    settings = engine.root / "containerd.toml"
    settings.write_text(
        "version = 2\n"
        f'root = "{engine.root}/containerd"\n'
        f'state = "{engine.root}/containerd-state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{engine.containerd_socket}"\n'
        f'[ttrpc]\naddress = "{engine.containerd_socket}.ttrpc"\n'
    )
    engine.containerd_socket.unlink(missing_ok=True)
    argv = ["containerd", "--config", os.fspath(settings)]
    spawn_part(engine, "containerd", docker_view(engine, argv))


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _end_shims(engine: Engine) -> None:
    """What an engine that was killed left: its shims, the containers below them, their cgroups."""
    address = os.fspath(engine.containerd_socket)
    for shim in running_processes():
        argv = command_line(shim)
        if not (argv and Path(argv[0]).name.startswith("containerd-shim") and address in argv):
            continue
        family = [*descendants(shim), shim]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(functools.partial(all_gone, family))
        wait_until(functools.partial(_remove_cgroups, argv[argv.index("-id") + 1]))


def _remove_cgroups(container_id: str) -> bool:
    """False while the kernel is still busy with a process that has just ended."""
    for parent in ("docker", "ring"):
        for folder in Path("/sys/fs/cgroup").glob(f"*/{parent}/{container_id}"):
            try:
                folder.rmdir()
            except OSError:
                return False
    return True
