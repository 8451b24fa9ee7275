"""A Podman service of a user without rights, beside the other parts of a private engine.

The user exists only where this service sees the file system: no account is made on the machine,
and none of its device nodes is changed. Beside what `engines` needs: the package uidmap.
"""

# It runs fixed argument lists.
# ruff: noqa: S603

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.engine import (
    READY_TIMEOUT_S,
    all_gone,
    await_part,
    descendants,
    end_part,
    engine_at,
    hold_view,
    holder_of,
    is_alive,
    make_namespace,
    pid_of,
    record,
    running_processes,
    spawn_part,
    wait_until,
)
from scripts.lib.images import answers_at
from scripts.lib.podman import WITHOUT_PACKAGES, podman_settings

if TYPE_CHECKING:
    from scripts.lib.engine import Engine

USER = "ring-test"
UID = 64901
SUBORDINATE = 1_000_000, 65536
"""The first id, and how many: what the user's containers are given beside the user's own."""
PART = "rootless"
MOUNTS = "rootless-mounts"
DEVICES = {"/dev/fuse": (10, 229), "/dev/net/tun": (10, 200)}
"""Open to everybody on most machines; what carries the packets needs the second."""
PROJECT = Path(__file__).resolve().parents[2]


def folder(engine: Engine) -> Path:
    return engine.root / PART


def host(engine: Engine) -> str:
    return f"unix://{folder(engine)}/run/podman/podman.sock"


def up(root: Path, name: str | None = None) -> Engine:
    """Starts the service unless it answers already; returns when it answers."""
    engine = engine_at(root, name)
    home = folder(engine)
    for part in ("run/podman", "home"):
        (home / part).mkdir(parents=True, exist_ok=True)
    record(engine)
    make_namespace(engine)
    if not is_alive(engine, MOUNTS):
        for file, content in {**_settings(engine), **_accounts()}.items():
            (home / file).write_text(content)
        _hand_over(engine)
        (home / "run").chmod(0o700)
        hold_view(engine, MOUNTS, _mounts(engine))
    start(engine)
    return engine


def _hand_over(engine: Engine) -> None:
    """What was made here, and not what containers have left: that has owners of its own, and links
    to anywhere."""
    for part in ("", "run", "run/podman", "home", *_settings(engine), *_accounts()):
        os.chown(folder(engine) / part, UID, UID, follow_symlinks=False)


def start(engine: Engine) -> None:
    """The service, unless it runs already; returns when it answers."""
    if not is_alive(engine, PART):
        Path(host(engine).removeprefix("unix://")).unlink(missing_ok=True)
        spawn_part(engine, PART, _podman(engine, "system", "service", "--time=0", host(engine)))
    await_part(engine, PART, lambda: answers_at(host(engine), "/_ping"))


def stop(engine: Engine) -> None:
    """Ends the service; the containers run on without it."""
    end_part(engine, PART)


def down(engine: Engine) -> None:
    """Ends the service and its containers, and removes its data. Nothing else is touched."""
    if not folder(engine).exists():
        return
    stop(engine)
    if is_alive(engine, MOUNTS):
        remove = _podman(engine, "rm", "--all", "--force", "--time=0", "--volumes")
        # What Podman itself cannot end is ended with all else that it left.
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                engine.command(*remove),
                capture_output=True,
                check=False,
                timeout=READY_TIMEOUT_S,
            )
    _end_all(engine)
    (engine.root / f"{MOUNTS}.process").unlink(missing_ok=True)
    shutil.rmtree(folder(engine))


def as_user(engine: Engine, *argv: str) -> list[str]:
    """The command line that runs argv as the user, who sees what the service sees.

    To be run in the engine's network namespace.
    """
    home = folder(engine)
    return [
        *(
            "nsenter",
            f"--mount=/proc/{holder_of(engine, MOUNTS)}/ns/mnt",
            f"--wdns={home}",
            "--",
        ),
        *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all"),
        *("env", f"HOME={home}/home", f"USER={USER}", f"XDG_RUNTIME_DIR={home}/run"),
        *argv,
    ]


def _podman(engine: Engine, *argv: str) -> list[str]:
    home = folder(engine)
    return as_user(
        engine,
        f"CONTAINERS_CONF={home}/containers.conf",
        f"CONTAINERS_STORAGE_CONF={home}/storage.conf",
        f"CONTAINERS_REGISTRIES_CONF={home}/registries.conf",
        "podman",
        *argv,
    )


def _settings(engine: Engine) -> dict[str, str]:
    """Those of the other service; where things are is as for any user."""
    home = folder(engine)
    return {
        **podman_settings(engine),
        "storage.conf": (
            "[storage]\n"
            'driver = "overlay"\n'
            f'graphroot = "{home}/storage"\n'
            f'runroot = "{home}/run/containers"\n'
        ),
    }


def _accounts() -> dict[str, str]:
    """The machine's own, and the user's."""
    first, count = SUBORDINATE
    range_of_ids = f"{USER}:{first}:{count}\n"
    user = f"{USER}:x:{UID}:{UID}::/:/bin/sh\n"
    return {
        "passwd": Path("/etc/passwd").read_text() + user,
        "group": Path("/etc/group").read_text() + f"{USER}:x:{UID}:\n",
        "subuid": range_of_ids,
        "subgid": range_of_ids,
    }


def _mounts(engine: Engine) -> list[str]:
    """A process that keeps the user's view: its accounts, its devices, the way to its files."""
    home = folder(engine)
    lines = ["set -e", *_opened((home, PROJECT, Path(sys.prefix), Path(sys.base_prefix)))]
    for name in ("passwd", "group", "subuid", "subgid"):
        lines += [f"[ -e /etc/{name} ] || : >/etc/{name}"] if name.startswith("sub") else []
        lines += [f"mount --bind {shlex.quote(f'{home}/{name}')} /etc/{name}"]
    lines += [WITHOUT_PACKAGES, "mount -t tmpfs -o mode=1777 tmpfs /dev/shm"]
    nodes = shlex.quote(f"{home}/nodes")
    lines += [f"mkdir -p {nodes}", f"mount -t tmpfs -o mode=755 tmpfs {nodes}"]
    for path, (major, minor) in DEVICES.items():
        node = f"{nodes}/{Path(path).name}"
        lines += [f"mknod -m 666 {node} c {major} {minor}", f"mount --bind {node} {path}"]
    lines += [f"exec tail -f {shlex.quote(f'{home}/containers.conf')}"]
    return ["unshare", "--mount", "--propagation=slave", "sh", "-c", "\n".join(lines)]


def _opened(paths: tuple[Path, ...]) -> list[str]:
    """Directories on the way that only their owner may pass are replaced by empty ones."""
    hidden = {
        path: closed
        for path in dict.fromkeys(paths)
        if (closed := next((p for p in reversed(path.parents) if _is_closed(p)), None))
    }
    stage = "/mnt"  # is there on every machine, and used by nobody in this view
    lines = [f"mount -t tmpfs tmpfs {stage}"] if hidden else []
    for number, path in enumerate(hidden):
        place = f"{stage}/{number}"
        lines += [f"mkdir {place}", f"mount --rbind {shlex.quote(f'{path}')} {place}"]
    lines += [
        f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(f'{closed}')}"
        for closed in dict.fromkeys(hidden.values())
    ]
    for number, path in enumerate(hidden):
        quoted = shlex.quote(f"{path}")
        lines += [f"mkdir -p {quoted}", f"mount --rbind {stage}/{number} {quoted}"]
    return lines


def _is_closed(folder: Path) -> bool:
    return not folder.stat().st_mode & 0o001


def _end_all(engine: Engine) -> None:
    """Everything that was started for the user, and all below it: its environment tells."""
    sign = f"XDG_RUNTIME_DIR={folder(engine)}/run".encode()
    family = [pid for pid in running_processes() if sign in _environment(pid)]
    if (holder := pid_of(engine, MOUNTS)) is not None:
        family.append(holder)
    below = [child for pid in family for child in descendants(pid)]
    for pid in dict.fromkeys([*below, *family]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(functools.partial(all_gone, family))


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
