"""Whose each published port is, found by its number: thousands of them are asked about at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    Claim = tuple[str | None, int, str]
    """Address, port, protocol. No address: every one, of both families."""

V4: Final = "0.0.0.0"  # noqa: S104 - what is published is for everybody, if not said otherwise
V6: Final = "::"


class Claims:
    """Those that overlap are known as well: files may say what nobody would have been given."""

    def __init__(self) -> None:
        self._holders: dict[tuple[int, str], dict[str, set[str]]] = {}
        """By port and protocol, then by address."""

    def add(self, holder: str, claims: Iterable[Claim]) -> None:
        for host_ip, number, protocol in claims:
            of_port = self._holders.setdefault((number, protocol), {})
            for address in addresses(host_ip):
                of_port.setdefault(address, set()).add(holder)

    def drop(self, holder: str, claims: Iterable[Claim]) -> None:
        """All that the holder has."""
        for host_ip, number, protocol in claims:
            of_port = self._holders.get((number, protocol), {})
            for address in addresses(host_ip):
                holders = of_port.get(address, set())
                holders.discard(holder)
                if not holders:
                    of_port.pop(address, None)
            if not of_port:
                self._holders.pop((number, protocol), None)

    def holder_of(self, claim: Claim, besides: str | None = None) -> str | None:
        """Who has something that overlaps, be it one address of all; somebody else than `besides`.

        Looks at every address of the port only when all of them are claimed.
        """
        host_ip, number, protocol = claim
        of_port = self._holders.get((number, protocol), {})
        for address in addresses(host_ip):
            for one in _overlapping(address, of_port):
                for holder in of_port.get(one, ()):
                    if holder != besides:
                        return holder
        return None


def addresses(host_ip: str | None) -> tuple[str, ...]:
    """What is bound for it, each by a socket of its own."""
    return (V4, V6) if host_ip is None else (host_ip,)


def _overlapping(address: str, known: Iterable[str]) -> Iterable[str]:
    every = _everywhere(address)
    if address != every:
        return address, every
    return (one for one in known if _everywhere(one) == every)


def _everywhere(address: str) -> str:
    return V6 if ":" in address else V4
