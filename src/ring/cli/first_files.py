"""The two files of a new config directory, `config.toml` and `secret-key`: text and writing."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ring.core.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

_REGISTRY = '# use_host_registry_auth = false\n# host_registry_config = "{}"\n'
_MICROVM = (
    '# socket_dir = "/run/ringvm"\n'
    '# port_forwarding = "socat"\n'
    "# max_console_log_bytes = 10485760\n"
    "# max_console_log_backups = 3\n"
)
_OPTIONAL = {
    "docker": '# host = "unix:///var/run/docker.sock"\n'
    + _REGISTRY.format("/etc/ring/registry.json"),
    "podman": '# host = "unix:///run/podman/podman.sock"\n'
    + _REGISTRY.format("/run/containers/0/auth.json"),
    "containerd": '# socket = "/run/containerd/containerd.sock"\n# namespace = "ring"\n'
    + _REGISTRY.format("/etc/ring/registry.json"),
    "cloud-hypervisor": '# binary_path = "cloud-hypervisor"\n'
    '# firmware_path = "/srv/vm/hypervisor-fw"\n'
    '# seccomp = "true"\n' + _MICROVM,
    "firecracker": '# binary_path = "firecracker"\n'
    '# kernel_path = "/srv/vm/vmlinux"\n'
    '# boot_args = "console=ttyS0 reboot=k panic=1 pci=off"\n' + _MICROVM,
}
"""The further keys of each table. No other runtime is named in them: scripts search the file."""


def config_text(runtimes: tuple[str, ...], port: int) -> str:
    """A config file with these runtimes enabled and their further keys as comments."""
    tables = [
        f"[server.runtime.{name.replace('-', '_')}]\nenabled = true\n"
        f"# optional = false\n{_OPTIONAL[name]}"
        for name in runtimes
    ]
    context = (
        "[contexts.default]\n"
        "current = true\n"
        'host = "127.0.0.1"\n'
        'api.scheme = "http"\n'
        f"api.port = {port}\n"
    )
    return "\n".join([context, *tables])


def make_directory(directory: Path) -> None:
    """Raises HostError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _trouble(directory, error) from error


def keep_old(path: Path) -> Path | None:
    """Give a key another name, with the time in it; where it went, None if there was none.

    No name that is in use is taken: what is lost there could not be read again.
    """
    moment = datetime.now(UTC)
    while True:
        backup = path.with_name(f"{path.name}.bak-{moment:%Y%m%dT%H%M%S}")
        try:
            os.link(path, backup, follow_symlinks=False)
            backup.chmod(0o600)
            path.unlink()
        except FileExistsError:
            moment += timedelta(seconds=1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _trouble(path, error) from error
        else:
            return backup


def write(path: Path, text: str, mode: int) -> None:
    """Put a file there in one step; what had the name is replaced. Raises HostError."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise
    except OSError as error:
        raise _trouble(path, error) from error


def _trouble(path: Path, error: OSError) -> HostError:
    return HostError(f"cannot write {path}: {(error.strerror or 'failed').lower()}")
