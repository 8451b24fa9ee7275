"""The `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of an instance.

They stand in a directory of its own and are mounted writable, as they are on Docker: what a program
writes there is its own, and written anew when it starts again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HOSTS: Final = "hosts"
HOSTNAME: Final = "hostname"
RESOLV_CONF: Final = "resolv.conf"
HOST_GATEWAY: Final = "host-gateway"
_LOCAL: Final = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
_ON_LOOPBACK: Final = re.compile(r"nameserver\s+(127\.|::1\b)")
_BEHIND_A_STUB: Final = Path("/run/systemd/resolve/resolv.conf")
_MACHINES_RESOLVERS: Final = Path("/etc/resolv.conf")
_MACHINES_HOSTS: Final = Path("/etc/hosts")


def write_all(
    directory: Path,
    *,
    hostname: str,
    address: str | None,
    gateway: str | None,
    name_server: str | None,
    extra_hosts: Sequence[tuple[str, str]],
) -> None:
    """Blocking. Raises OSError.

    address: on the namespace's network; None: on the host's, whose own names it has as well.
    gateway: what `host-gateway` stands for. name_server: where it asks for names; None: where this
    machine does.
    """
    make_private(directory)
    machines = _read(_MACHINES_HOSTS) if address is None else _LOCAL
    own = [f"{address}\t{hostname}"] if address is not None else []
    known = {HOST_GATEWAY: gateway or "127.0.0.1"}
    extra = [f"{known.get(where, where)}\t{name}" for name, where in extra_hosts]
    _write(directory / HOSTS, machines + _lines([*extra, *own]))
    _write(directory / HOSTNAME, hostname + "\n")
    machines = _read(_MACHINES_RESOLVERS)
    if address is not None:
        machines = reachable(machines, _read(_BEHIND_A_STUB))
    _write(directory / RESOLV_CONF, resolvers(name_server, machines))


def make_private(directory: Path) -> None:
    """With the one above it, that of all instances: what an instance makes of a file that is
    mounted into it, a program with root's rights among it, is nobody's else on this machine."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.parent.chmod(0o700)
    directory.mkdir(mode=0o700, exist_ok=True)


def resolvers(name_server: str | None, machines: str) -> str:
    """machines: the content of this machine's own `resolv.conf`."""
    if name_server is None:
        return machines
    search = [
        line for line in machines.splitlines() if line.split()[:1] in (["search"], ["domain"])
    ]
    return _lines([*search, f"nameserver {name_server}", "options ndots:0"])


def reachable(machines: str, behind: str) -> str:
    """From another network than the machine's, where its loopback leads nowhere.

    behind: what systemd's resolver asks itself, for a machine that asks only that.
    """
    lines = [line for line in machines.splitlines() if not _ON_LOOPBACK.match(line)]
    has_some = any(line.startswith("nameserver") for line in lines)
    return _lines(lines) if has_some or not behind else behind


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return text if text.endswith("\n") or not text else text + "\n"


def _write(path: Path, text: str) -> None:
    """In place: it may be mounted."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
