"""Judges where the server may be made to send requests: which URLs, which addresses.

Whoever may create a hook must not reach with it what listens on this machine alone, or what a
cloud tells its instances. A host is judged by the address it stands for, however it is spelled;
a name says nothing yet, so what it resolves to is judged again before each connection.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yarl

from ring.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_URL: Final = 4096  # characters
_LONGEST_NAME: Final = 253  # RFC 1035
_SCHEMES: Final = frozenset({"http", "https"})
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]|\s")
"""Characters on which parsers of URLs differ."""
_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|0[0-7]*|[1-9][0-9]*")
_NUMERIC: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")

_BLOCKED_V4: Final = tuple(
    ipaddress.IPv4Network(text) for text in ("127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8")
)
_BLOCKED_V6: Final = ipaddress.IPv6Network("fe80::/10")
_EMBEDDING: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",  # IPv4-compatible; the loopback and the unspecified address are in it
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64 of a site
    )
)
"""Networks whose addresses end in an IPv4 address, which is what they lead to."""


class Refused(UserError):
    """Nothing may be sent there."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL that was found good, as far as it can be told without asking for its name."""

    url: yarl.URL
    """Its host is `host`."""
    host: str
    """A name, or an address in its usual spelling."""
    port: int
    address: Address | None
    """None: it is a name."""


def blocked(address: Address) -> bool:
    """Whether it is an address of this machine, of its link, or none at all."""
    if isinstance(address, ipaddress.IPv4Address):
        return any(address in network for network in _BLOCKED_V4)
    if address == ipaddress.IPv6Address(1):
        return True
    if any(address in network for network in _EMBEDDING):
        return blocked(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour is not None:
        return blocked(address.sixtofour)
    return address in _BLOCKED_V6


def check(text: str, blocks: Callable[[Address], bool] = blocked) -> Destination:
    """The destination of a URL; asks nobody. Raises Refused, which says why."""
    url = _parsed(text)
    host = url.raw_host
    if not host:
        raise Refused("it has no host")
    address = _address(host)
    if address is not None:
        expect_allowed(address, blocks)
        host = str(address)
        return Destination(url.with_host(host), host, _port(url), address)
    if not _NAME.fullmatch(host) or len(host) > _LONGEST_NAME:
        raise Refused("its host is neither a name nor an address")
    bare = host.removesuffix(".")
    if bare == "localhost" or bare.endswith(".localhost"):
        raise Refused(f"its host '{bare}' is this machine itself")
    if _NUMERIC.fullmatch(bare.rpartition(".")[2]):
        raise Refused("its host ends in a number and is no address")
    return Destination(url, host, _port(url), None)


def expect_allowed(address: Address, blocks: Callable[[Address], bool] = blocked) -> None:
    """Raises Refused."""
    if blocks(address):
        raise Refused(f"its address {address} is blocked: nothing is sent to this machine's own")


def _parsed(text: str) -> yarl.URL:
    if len(text) > LONGEST_URL:
        raise Refused(f"it has more than {LONGEST_URL} characters")
    if _UNSAFE.search(text):
        raise Refused("it holds white space, a control character or a backslash")
    try:
        url = yarl.URL(text)
        port = url.port
    except (ValueError, UnicodeError):
        raise Refused("it is not a URL") from None
    if url.scheme not in _SCHEMES:
        raise Refused("it does not begin with http:// or https://")
    if port == 0:
        raise Refused("nothing can listen on port 0")
    return url


def _port(url: yarl.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _address(host: str) -> Address | None:
    """The address a host is a spelling of; None: it is none. Raises Refused for a zone."""
    if ":" in host:
        if "%" in host:
            raise Refused("its host has a zone, which only this machine's own link has")
        try:
            return ipaddress.IPv6Address(host)
        except ValueError:
            raise Refused("its host is neither a name nor an address") from None
    return _ipv4(host.removesuffix("."))


def _ipv4(text: str) -> ipaddress.IPv4Address | None:
    """As the C library reads it: one to four numbers, decimal, octal or hexadecimal; the last one
    fills what is left."""
    parts = text.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    if any(len(part) > 24 for part in parts):
        return None
    *leading, last = (_number(part) for part in parts)
    if any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        return None
    value = last
    for place, number in enumerate(leading):
        value += number << (8 * (3 - place))
    return ipaddress.IPv4Address(value)


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") else int(part)
