"""What the keeper keeps, as values and as files: `zones/<network>.json`, `relays/<holder>.json`.

The program alone writes them, once it does what they say: what is there is what it holds. They are
meant for a directory in memory that is empty when the machine starts, so nothing is synced.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.network.keeper.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PROTOCOLS: Final = ("tcp", "udp")
ZONES: Final = "zones"
RELAYS: Final = "relays"
_SUFFIX: Final = ".json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Relay:
    """One published port of one instance."""

    host_ip: str | None
    """None: every address, of both families where the host has IPv6."""
    published: int
    protocol: str
    address: str
    """Of the instance. Empty: the port is only held, and a connection to it reset."""
    target: int


@dataclass(frozen=True, slots=True)
class Zone:
    """The names of one network."""

    gateways: tuple[str, ...]
    """Addresses of the host in it; the resolver answers there."""
    subnets: tuple[str, ...]
    """Nobody else is answered."""
    records: Mapping[str, tuple[str, ...]]
    """Name to addresses, of both families; none: the name is known and nobody has it now."""


def relay_from(told: object) -> Relay:
    """Raises ValueError."""
    entry = _mapping(told)
    match entry:
        case {
            "host_ip": str() | None as host_ip,
            "published": int() as published,
            "protocol": str() as protocol,
            "address": str() as address,
            "target": int() as target,
        }:
            pass
        case _:
            raise ValueError("a relay is host_ip, published, protocol, address and target")
    if protocol not in PROTOCOLS:
        raise ValueError(f"no protocol to relay: {protocol}")
    if not (0 < published < 65536 and 0 < target < 65536):
        raise ValueError(f"no port: {published}, {target}")
    if host_ip is not None:
        host_ip = str(ipaddress.ip_address(host_ip))
    if address:
        address = str(ipaddress.ip_address(address))
    return Relay(host_ip, published, protocol, address, target)


async def relays_from(told: object) -> tuple[Relay, ...]:
    """Others have their turn meanwhile. Raises ValueError."""
    if not isinstance(told, list):
        raise ValueError("relays are a list")
    turns, relays = Turns(), []
    for one in told:
        relays.append(relay_from(one))
        await turns.passed()
    return tuple(relays)


def zone_from(told: object) -> Zone:
    """Raises ValueError. Whether they are addresses shows when they are used."""
    entry = _mapping(told)
    gateways, subnets = _texts(entry.get("gateways")), _texts(entry.get("subnets"))
    records = {
        str(name): _texts(addresses) for name, addresses in _mapping(entry.get("records")).items()
    }
    return Zone(gateways, subnets, records)


def zone_to(zone: Zone) -> dict[str, object]:
    return {
        "gateways": list(zone.gateways),
        "subnets": list(zone.subnets),
        "records": {name: list(addresses) for name, addresses in zone.records.items()},
    }


def relay_to(relay: Relay) -> dict[str, object]:
    return {
        "host_ip": relay.host_ip,
        "published": relay.published,
        "protocol": relay.protocol,
        "address": relay.address,
        "target": relay.target,
    }


def relays_to(relays: Sequence[Relay]) -> list[dict[str, object]]:
    return list(map(relay_to, relays))


def _mapping(told: object) -> Mapping[str, object]:
    if not isinstance(told, dict):
        raise ValueError("not an object")
    return told


def _texts(told: object) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise ValueError("not a list of texts")
    return tuple(told)


class State:
    """Its blocking is that of a few small files in memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self) -> None:
        """Raises OSError."""
        for kind in (ZONES, RELAYS):
            (self._directory / kind).mkdir(mode=0o700, parents=True, exist_ok=True)

    def zones(self) -> dict[str, Zone]:
        """What cannot be read is logged and left out."""
        found = {}
        for name, path in self._files(ZONES):
            with _or_left_out(path):
                found[name] = zone_from(_content(path))
        return found

    async def relays(self) -> dict[str, tuple[Relay, ...]]:
        """What cannot be read is logged and left out. Others have their turn meanwhile."""
        found = {}
        for name, path in self._files(RELAYS):
            with _or_left_out(path):
                found[name] = await relays_from(_content(path))
        return found

    def keep_zone(self, network: str, zone: Zone) -> None:
        """Raises OSError."""
        self._write(ZONES, network, json.dumps(zone_to(zone)))

    async def keep_relays(self, holder: str, relays: Sequence[Relay]) -> None:
        """Others have their turn meanwhile. Raises OSError."""
        turns, written = Turns(), []
        for relay in relays:
            written.append(json.dumps(relay_to(relay)))
            await turns.passed()
        self._write(RELAYS, holder, f"[{', '.join(written)}]")

    def drop(self, kind: str, name: str) -> None:
        """Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            (self._directory / kind / (checked(name) + _SUFFIX)).unlink()

    def names(self, kind: str) -> tuple[str, ...]:
        """Raises OSError."""
        try:
            found = [path.name for path in (self._directory / kind).iterdir()]
        except FileNotFoundError:
            return ()
        return tuple(
            sorted(
                name.removesuffix(_SUFFIX)
                for name in found
                if name.endswith(_SUFFIX) and not name.startswith(".")
            )
        )

    def _files(self, kind: str) -> list[tuple[str, Path]]:
        folder = self._directory / kind
        return [(name, folder / (name + _SUFFIX)) for name in self.names(kind)]

    def _write(self, kind: str, name: str, text: str) -> None:
        path = self._directory / kind / (checked(name) + _SUFFIX)
        unfinished = path.with_name(f".{path.name}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)


def _content(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def _or_left_out(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("%s is left out: %s", path, error)


def checked(name: str) -> str:
    """A name that can be a file's. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"no name for a network or a holder: {name!r}")
    return name
