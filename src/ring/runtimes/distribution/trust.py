"""TLS to registries: whom to believe, and how to be believed, as a `hosts.toml` says it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from pathlib import Path

_Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a connection is held to."""

    authorities: tuple[Path, ...] = ()
    """Files of certificates to be believed besides those of the machine."""
    certificates: tuple[tuple[Path, Path | None], ...] = ()
    """Our own, each with its key; None: that is in the same file."""
    is_verified: bool = True


class Contexts:
    """One TLS context for each trust: connections are only shared under the same one.

    Not for several threads at once.
    """

    def __init__(self) -> None:
        self._made: dict[Trust, tuple[tuple[_Stamp, ...], ssl.SSLContext]] = {}

    def of(self, trust: Trust) -> ssl.SSLContext:
        """Made anew once a file has changed. Reads files. Raises RegistryProblem."""
        stamps = tuple(_stamp(path) for path in _files(trust))
        made = self._made.get(trust)
        if made is None or made[0] != stamps:
            made = self._made[trust] = (stamps, _context(trust))
        return made[1]


def _files(trust: Trust) -> tuple[Path, ...]:
    own = (path for pair in trust.certificates for path in pair if path is not None)
    return (*trust.authorities, *own)


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    return found.st_mtime_ns, found.st_size


def _context(trust: Trust) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not trust.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for path in trust.authorities:
        try:
            context.load_verify_locations(path)
        except (OSError, ValueError) as error:
            raise _unusable(path, "holds no certificates in PEM form") from error
    for certificate, key in trust.certificates:
        try:
            # Without a password to try, the terminal would be asked for one.
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ValueError) as error:
            raise _unusable(
                certificate, "is no certificate in PEM form with its key, without a password"
            ) from error
    return context


def _unusable(path: Path, why: str) -> RegistryProblem:
    return RegistryProblem(Cause.OTHER, f"{path} {why}")
