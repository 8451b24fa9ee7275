"""The settings of a namespace's network: which of them this version has, and what is wrong with
others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.core.rules.network import bound_address
from ring.core.violations import Violation, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST_IP: Final = "host_ip"
_CODE: Final = "namespace.network"
_UNSET: Final[Mapping[str, object]] = {
    "internal": False,
    "masquerade": True,
    "icc": True,
    "policy": {"ingress": "allow", "egress": "allow"},
}
"""What the others are without being set: who writes that down asks for nothing."""
_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class NamespaceNetwork:
    host_ip: str | None = None
    """Bind address of published ports that name none, as it was written; None: the server's."""

    def written(self) -> dict[str, str]:
        """What is set, as it goes over the wire and into the database."""
        return {} if self.host_ip is None else {HOST_IP: self.host_ip}


UNSET: Final = NamespaceNetwork()


def read(settings: Mapping[str, object]) -> NamespaceNetwork:
    """Of what `violations` has nothing against."""
    host_ip = settings.get(HOST_IP)
    return NamespaceNetwork(host_ip=host_ip if isinstance(host_ip, str) else None)


def violations(settings: Mapping[str, object], path: str = "") -> Iterator[Violation]:
    """What is wrong with these settings. path: where they stand, with its dot."""
    for name, value in settings.items():
        if value is None:
            continue
        if name == HOST_IP:
            yield from _host_ip(value, f"{path}{name}")
        elif value not in ({}, []) and not _is_unset(name, value):
            yield Violation(
                path=f"{path}{name[:_LONGEST_NAME]}",
                code=f"{_CODE}.unsupported",
                message=f"this version of Ring has {HOST_IP} alone of the settings of a "
                "namespace's network; leave it out",
            )


def _is_unset(name: str, value: object) -> bool:
    usual = _UNSET.get(name)
    if isinstance(usual, dict) and isinstance(value, dict):
        return {**usual, **value} == usual
    return type(value) is type(usual) and value == usual


def _host_ip(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, str) or bound_address(value) is None:
        told = quoted(value) if isinstance(value, str) else "this"
        message = f"{told} is not an IPv4 or IPv6 address"
        yield Violation(path=path, code=f"{_CODE}.{HOST_IP}.invalid", message=message)
