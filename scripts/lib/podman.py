"""A private Podman's API service, beside the dockerd of an engine."""

# It runs fixed argument lists.
# ruff: noqa: S603

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.engine import (
    READY_TIMEOUT_S,
    await_part,
    end_all_that_sees,
    end_part,
    engine_at,
    hold_view,
    holder_of,
    is_alive,
    make_namespace,
    mounts_of,
    record,
    release_mounts,
    spawn_part,
)
from scripts.lib.images import answers_at
from scripts.lib.releases import see_programs

if TYPE_CHECKING:
    from scripts.lib.engine import Engine

PODMAN_MOUNTS = "podman-mounts"
"""A process that does nothing but keep the view of the file system that Podman has."""
WITHOUT_PACKAGES = "[ ! -e /usr/bin/dpkg ] || mount --bind /bin/false /usr/bin/dpkg"
"""Podman asks the package manager whenever it is asked for its version, which takes seconds where
many tests run beside each other."""


def podman_up(root: Path, name: str | None = None, release: str | None = None) -> Engine:
    """Starts Podman's API service there unless it answers already; returns when it answers."""
    engine = engine_at(root, name, release)
    (engine.podman / "run").mkdir(parents=True, exist_ok=True)
    record(engine)
    make_namespace(engine)
    for file, content in podman_settings(engine).items():
        (engine.podman / file).write_text(content)
    hold_view(engine, PODMAN_MOUNTS, _podman_mounts(engine))
    start_podman(engine)
    return engine


def start_podman(engine: Engine) -> None:
    """The service, unless it runs already; returns when it answers."""
    if not is_alive(engine, "podman"):
        Path(engine.podman_host.removeprefix("unix://")).unlink(missing_ok=True)
        spawn_part(
            engine, "podman", _podman(engine, "system", "service", "--time=0", engine.podman_host)
        )
    await_part(engine, "podman", lambda: answers_at(engine.podman_host, "/_ping"))


def stop_podman(engine: Engine) -> None:
    """Ends the service; the containers run on without it."""
    end_part(engine, "podman")


def podman_down(engine: Engine) -> None:
    """Ends the service and its containers, and removes its data. Nothing else is touched."""
    if not engine.podman.exists():
        return
    end_part(engine, "podman")
    if is_alive(engine, PODMAN_MOUNTS):
        remove = _podman(engine, "rm", "--all", "--force", "--time=0", "--volumes")
        # What Podman itself cannot end is ended as what a killed engine leaves.
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                engine.command(*remove), capture_output=True, check=False, timeout=READY_TIMEOUT_S
            )
        end_all_that_sees(mounts_of(holder_of(engine, PODMAN_MOUNTS)))
    (engine.root / f"{PODMAN_MOUNTS}.process").unlink(missing_ok=True)
    release_mounts(engine.podman)
    shutil.rmtree(engine.podman)


def _podman_mounts(engine: Engine) -> list[str]:
    """What Podman keeps at fixed places is in the engine's directory, for Podman alone.

    Among it are the name servers of its networks; its locks are in shared memory. What is mounted
    there is gone with the last process that sees it.
    """
    script = (
        f"set -e; {WITHOUT_PACKAGES}; "
        'mkdir -p /run/containers; mount --bind "$0/run" /run/containers; '
        f'mount -t tmpfs tmpfs /dev/shm; {see_programs(engine)}exec tail -f "$0/containers.conf"'
    )
    folder = os.fspath(engine.podman)
    return ["unshare", "--mount", "--propagation=slave", "sh", "-c", script, folder]


def _podman(engine: Engine, *argv: str) -> list[str]:
    """A Podman command in its own view, with none of the machine's settings.

    Where its files are is in the environment: the processes that it leaves behind hand that on.
    """
    folder = engine.podman
    return [
        "nsenter",
        f"--mount=/proc/{holder_of(engine, PODMAN_MOUNTS)}/ns/mnt",
        "--",
        "env",
        f"CONTAINERS_CONF={folder}/containers.conf",
        f"CONTAINERS_STORAGE_CONF={folder}/storage.conf",
        f"CONTAINERS_REGISTRIES_CONF={folder}/registries.conf",
        "podman",
        f"--root={folder}/storage",
        "--runroot=/run/containers/storage",
        "--tmpdir=/run/containers/state",
        f"--network-config-dir={folder}/networks",
        *argv,
    ]


def podman_settings(engine: Engine) -> dict[str, str]:
    """Its files by name. What its defaults ask of the kernel is refused on small machines."""
    files, processes = (
        min(most, resource.getrlimit(kind)[1]) if resource.getrlimit(kind)[1] > 0 else most
        for kind, most in ((resource.RLIMIT_NOFILE, 20000), (resource.RLIMIT_NPROC, 10000))
    )
    folder = engine.podman
    return {
        "containers.conf": (
            "[containers]\n"
            f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
            "[engine]\n"
            'runtime = "runc"\n'
            'cgroup_manager = "cgroupfs"\n'
            'events_logger = "file"\n'
            "[network]\n"
            'network_backend = "netavark"\n'
        ),
        "storage.conf": (
            "[storage]\n"
            'driver = "overlay"\n'
            f'graphroot = "{folder}/storage"\n'
            'runroot = "/run/containers/storage"\n'
        ),
        # As Docker has it: what this machine serves needs no certificate. Any port is meant.
        "registries.conf": "".join(
            f'[[registry]]\nlocation = "{host}"\ninsecure = true\n'
            for host in ("127.0.0.1", "localhost")
        ),
    }
