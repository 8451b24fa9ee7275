"""Where a registry is asked: the `hosts.toml` of a folder, read as containerd documents it
(docs/hosts.md), else the registry itself.

The files are read anew for each question: they are the administrator's, and need no restart.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NoReturn

from yarl import URL

from ring.core.model.images import HUB
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.trust import Contexts, Trust
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PULL: Final = "pull"
RESOLVE: Final = "resolve"
"""What a host may be asked for: content by its digest, and the digest that a tag stands for."""
_CAPABILITIES: Final = frozenset({PULL, RESOLVE, "push"})
_HUB_SERVER: Final = "registry-1.docker.io"
_FILE: Final = "hosts.toml"
_DEFAULT: Final = "_default"
_NAME: Final = re.compile(
    r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?"
)
_PLAIN: Final = "http"
_TLS: Final = "https"
_WHOLE_BASE: Final = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place to ask a registry's questions at."""

    base: URL
    """Up to and with `/v2`."""
    is_mirror: bool
    """Of another name than the registry: it is told whose content is meant, and never the login."""
    capabilities: frozenset[str]
    tls: ssl.SSLContext = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    is_fallback: bool = False
    """Stands in for the one before it when that cannot be reached, and for nothing else."""


class Hosts:
    """The endpoints of every registry."""

    def __init__(self, folder: Path, insecure: Sequence[str] = ()) -> None:
        """insecure: registries that need no certificate to be believed, nor any TLS."""
        self._folder = folder
        self._insecure = frozenset(name.lower() for name in insecure)
        self._contexts = Contexts()
        self._reading = asyncio.Lock()

    async def of(self, registry: str, capability: str) -> tuple[Endpoint, ...]:
        """In the order they are to be asked in, the registry itself last.

        capability: PULL or RESOLVE. Raises RegistryProblem.
        """
        name = registry.lower()
        if not _is_name(name):
            raise RegistryProblem(Cause.NOT_FOUND, f"'{registry}' is no name of a registry")
        async with self._reading:
            found = await asyncio.to_thread(self._read, name)
        able = tuple(endpoint for endpoint in found if capability in endpoint.capabilities)
        if not able:
            raise RegistryProblem(Cause.OTHER, f"{_FILE} names no host to {capability} from {name}")
        return able

    def _read(self, registry: str) -> tuple[Endpoint, ...]:
        """The first folder that is there tells everything."""
        for folder in _folders(self._folder, registry):
            if (table := _table(folder / _FILE)) is not None:
                return tuple(self._named(table, registry))
            if folder.is_dir():
                return tuple(self._usual(registry, self._docker_trust(folder, registry)))
        return tuple(self._usual(registry))

    def _docker_trust(self, folder: Path, registry: str) -> Trust:
        """Of the certificates alone that Docker keeps for a registry."""
        certificates = sorted(folder.glob("*.cert"))
        return Trust(
            authorities=tuple(sorted(folder.glob("*.crt"))),
            certificates=tuple((one, one.with_suffix(".key")) for one in certificates),
            is_verified=not self._may_be_plain(registry),
        )

    def _named(self, table: _Table, registry: str) -> Iterator[Endpoint]:
        hosts = table.told.get("host", {})
        if not isinstance(hosts, dict):
            raise _wrong(table.file, "has a 'host' that is no table")
        for written, told in hosts.items():
            if not isinstance(told, dict):
                raise _wrong(table.file, f"has a host '{written}' that is no table")
            yield self._endpoint(_Table(table.file, told), written, registry)
        if server := table.text("server"):
            yield self._endpoint(table, server, registry)
            return
        for usual in self._usual(
            registry, table.trust(is_verified=not self._may_be_plain(registry))
        ):
            yield replace(usual, headers=table.headers())

    def _endpoint(self, table: _Table, written: str, registry: str) -> Endpoint:
        base = _base(table, written)
        own = URL(f"{base.scheme}://{_server(registry)}")
        return Endpoint(
            base,
            is_mirror=(base.host, base.port) != (own.host, own.port),
            capabilities=table.capabilities(),
            tls=self._contexts.of(table.trust()),
            headers=table.headers(),
        )

    def _usual(self, registry: str, trust: Trust | None = None) -> Iterator[Endpoint]:
        """The registry itself: over TLS; where nobody else listens in, also without."""
        is_lax = self._may_be_plain(registry)
        tls = self._contexts.of(trust or Trust(is_verified=not is_lax))
        for scheme in (_TLS, _PLAIN) if is_lax else (_TLS,):
            yield Endpoint(
                URL(f"{scheme}://{_server(registry)}/v2"),
                is_mirror=False,
                capabilities=_CAPABILITIES,
                tls=tls,
                is_fallback=scheme == _PLAIN,
            )

    def _may_be_plain(self, registry: str) -> bool:
        return registry in self._insecure or _is_here(registry)


@dataclass(frozen=True, slots=True)
class _Table:
    """What a `hosts.toml` says of one host. What cannot be raises RegistryProblem."""

    file: Path
    told: Mapping[str, object]

    def text(self, key: str) -> str:
        value = self.told.get(key, "")
        return value.strip() if isinstance(value, str) else self._refuse(key, "text")

    def flag(self, key: str, usual: bool) -> bool:
        value = self.told.get(key, usual)
        return value if isinstance(value, bool) else self._refuse(key, "true or false")

    def capabilities(self) -> frozenset[str]:
        """None written: all."""
        named = frozenset(self._texts("capabilities", self.told.get("capabilities", [])))
        if not named <= _CAPABILITIES:
            self._refuse("capabilities", f"a list of {', '.join(sorted(_CAPABILITIES))}")
        return named or _CAPABILITIES

    def headers(self) -> tuple[tuple[str, str], ...]:
        """In the order of the file, one for each value."""
        told = self.told.get("header", {})
        if not isinstance(told, dict):
            self._refuse("header", "a table")
        return tuple(
            (name, value)
            for name, values in told.items()
            for value in self._texts("header", values)
        )

    def trust(self, *, is_verified: bool = True) -> Trust:
        return Trust(
            authorities=tuple(
                self._path(one) for one in self._texts("ca", self.told.get("ca", []))
            ),
            certificates=tuple(self._certificates()),
            is_verified=not self.flag("skip_verify", usual=not is_verified),
        )

    def _certificates(self) -> Iterator[tuple[Path, Path | None]]:
        """`client` is a file, several, or several of a certificate and its key each."""
        told = self.told.get("client", [])
        for entry in told if isinstance(told, list) else [told]:
            match self._texts("client", entry):
                case (certificate,) | (certificate, ""):
                    yield self._path(certificate), None
                case (certificate, key):
                    yield self._path(certificate), self._path(key)
                case _:
                    self._refuse("client", "a list of certificates, each with its key")

    def _texts(self, key: str, value: object) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in values):
            self._refuse(key, "text or a list of texts")
        return tuple(values)

    def _path(self, written: str) -> Path:
        return self.file.parent / written

    def _refuse(self, key: str, wanted: str) -> NoReturn:
        raise _wrong(self.file, f"must have {wanted} as '{key}'")


def _folders(folder: Path, registry: str) -> Iterator[Path]:
    """Where the registry's file may be: a port is also written so that any file system takes it."""
    name, colon, port = registry.rpartition(":")
    if colon and port.isdecimal():
        yield folder / f"{name}_{port}_"
    yield folder / registry
    yield folder / _DEFAULT


def _base(table: _Table, written: str) -> URL:
    """`mirror.example/team` is `https://mirror.example/team/v2`, unless its path is to be kept."""
    try:
        url = URL(written if _WHOLE_BASE.match(written) else f"{_TLS}://{written}")
        is_usable = bool(url.host) and url.user is None and not url.query and bool(url.port)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise _wrong(table.file, "names a host that is no URL of http or https, without a login")
    path = url.path.rstrip("/")
    if not path.endswith("/v2") and not table.flag("override_path", usual=False):
        path = f"{path}/v2"
    return url.origin().with_path(path)


def _table(file: Path) -> _Table | None:
    """None: there is no such file."""
    try:
        return _Table(file, tomllib.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _wrong(file, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _wrong(file, f"is no TOML: {error}") from error


def _is_name(registry: str) -> bool:
    try:
        return bool(_NAME.fullmatch(registry) and URL(f"{_TLS}://{registry}").host)
    except ValueError:
        return False


def _server(registry: str) -> str:
    return _HUB_SERVER if registry == HUB else registry


def _is_here(registry: str) -> bool:
    host = URL(f"{_TLS}://{registry}").host or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wrong(file: Path, why: str) -> RegistryProblem:
    return RegistryProblem(Cause.OTHER, f"{file} {why}")
