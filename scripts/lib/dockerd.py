"""A private dockerd and the containerd below it."""

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
    pid_of,
    record,
    run,
    running_processes,
    spawn_part,
    wait_until,
)
from scripts.lib.images import answers_at
from scripts.lib.releases import see_programs

if TYPE_CHECKING:
    from scripts.lib.engine import Engine


def up(root: Path, name: str | None = None, release: str | None = None) -> Engine:
    """Starts the engine unless it answers already; returns when it answers."""
    engine = engine_at(root, name, release)
    if len(os.fsencode(engine.containerd_socket)) > 100:
        raise EngineProblem(f"{engine.root} is too long for a Unix socket: use a shorter one")
    record(engine)
    make_namespace(engine)
    if engine.release:
        hold_view(engine, DOCKER_MOUNTS, _docker_mounts(engine))
    if not is_alive(engine, "containerd"):
        _start_containerd(engine)
    start_dockerd(engine)
    return engine


def start_dockerd(engine: Engine) -> None:
    """The part that answers, unless it runs already; returns when it answers."""
    if not is_alive(engine, "dockerd"):
        _start_dockerd(engine)
    await_part(engine, "dockerd", lambda: answers_at(engine.host, "/_ping"))


def stop_dockerd(engine: Engine) -> None:
    """Ends it in an orderly way, and with it the containers; their containerd goes on."""
    end_part(engine, "dockerd")


def signal_dockerd(engine: Engine, number: signal.Signals) -> None:
    """Kills, stops or continues it. Returns when one that was killed is gone."""
    pid = pid_of(engine, "dockerd")
    if pid is None:
        raise EngineProblem(f"no dockerd runs in {engine.root}")
    os.kill(pid, number)
    if number is signal.SIGKILL and not wait_until(lambda: not is_alive(engine, "dockerd")):
        raise EngineProblem(f"the dockerd in {engine.root} cannot be killed")


def limit_data(root: Path, mib: int) -> None:
    """Before `up`: the engine's data has so much room, in memory, until `down`."""
    data = root.resolve() / "data"
    data.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", os.fspath(data))


def dockerd_down(engine: Engine) -> None:
    """Ends it, its containerd and what either left."""
    end_part(engine, "dockerd")
    end_part(engine, "containerd")
    _end_shims(engine)
    if is_alive(engine, DOCKER_MOUNTS):
        end_all_that_sees(mounts_of(holder_of(engine, DOCKER_MOUNTS)))


def _start_containerd(engine: Engine) -> None:
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
    spawn_part(engine, "containerd", _docker_view(engine, argv))
    await_part(engine, "containerd", lambda: _accepts(engine.containerd_socket))


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _start_dockerd(engine: Engine) -> None:
    settings = engine.root / "daemon.json"
    # What a registry does is seen at once: by itself the engine would try five times, in a minute.
    settings.write_text('{"max-download-attempts": 1}\n')
    (engine.root / "docker.pid").unlink(missing_ok=True)
    argv = [
        "dockerd",
        f"--config-file={settings}",
        f"--host={engine.host}",
        f"--data-root={engine.root}/data",
        f"--exec-root={engine.root}/exec",
        f"--pidfile={engine.root}/docker.pid",
        f"--containerd={engine.containerd_socket}",
        "--bridge=none",
        "--shutdown-timeout=5",
    ]
    spawn_part(engine, "dockerd", _docker_view(engine, argv))


DOCKER_MOUNTS = "docker-mounts"
"""A process that keeps the view of the file system that an engine of another release has."""


def _docker_mounts(engine: Engine) -> list[str]:
    script = f'set -e; {see_programs(engine)}exec tail -f "$0"'
    folder = os.fspath(engine.root / "namespace")
    return ["unshare", "--mount", "--propagation=slave", "sh", "-c", script, folder]


def _docker_view(engine: Engine, argv: list[str]) -> list[str]:
    """The command that runs argv where the engine's own programs are seen."""
    if engine.release is None:
        return argv
    return ["nsenter", f"--mount=/proc/{holder_of(engine, DOCKER_MOUNTS)}/ns/mnt", "--", *argv]


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
    for folder in Path("/sys/fs/cgroup").glob(f"*/docker/{container_id}"):
        try:
            folder.rmdir()
        except OSError:
            return False
    return True
