"""Rules about ports and the host's network."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ring.core.rules.base import CAPABILITIES, by_shape, rule
from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.rules.base import Case, Finding

_EVERY_ADDRESS = ""
"""Stands for a wildcard."""


@rule("deployment.network.host_runtime_unsupported", "network.mode", CAPABILITIES)
def host_unsupported(case: Case) -> Iterator[Finding]:
    """mode `host` on a runtime that cannot share the host's network"""
    if network_mode(case) == "host" and not case.capabilities.host_network:
        yield ("network", "mode"), f"mode 'host' is not supported by {case.spec.runtime}"


@rule("deployment.ports.host_network_conflict", "network.mode", "ports")
def host_ports(case: Case) -> Iterator[Finding]:
    """mode `host` and `ports` non-empty"""
    if network_mode(case) == "host" and case.spec.ports:
        yield ("ports",), "ports cannot be published with network mode 'host': remove them"


@rule("deployment.replicas.host_network_conflict", "network.mode", "replicas")
def host_replicas(case: Case) -> Iterator[Finding]:
    """mode `host` and `replicas > 1`"""
    if network_mode(case) == "host" and case.spec.replicas > 1:
        yield ("replicas",), f"must be at most 1 with network mode 'host', not {case.spec.replicas}"


@rule("deployment.autoscale.host_network_conflict", "network.mode", "autoscale.max")
def host_autoscale(case: Case) -> Iterator[Finding]:
    """mode `host` and `autoscale.max > 1`"""
    scale = case.spec.autoscale
    if network_mode(case) == "host" and scale and scale.max > 1:
        yield ("autoscale", "max"), f"must be 1 with network mode 'host', not {scale.max}"


@rule("deployment.ports.host_ip.invalid", "ports[].host_ip")
def host_ip_invalid(case: Case) -> Iterator[Finding]:
    """not an IPv4 or IPv6 literal"""
    for index, port in case.each("ports", case.spec.ports):
        if port.host_ip is not None and bound_address(port.host_ip) is None:
            text = f"{quoted(port.host_ip)} is not an IPv4 or IPv6 address"
            yield ("ports", index, "host_ip"), text


@rule(
    "deployment.ports.published.duplicate",
    "ports[].published",
    "ports[].protocol",
    "ports[].host_ip",
)
def published_duplicate(case: Case) -> Iterator[Finding]:
    """same port and protocol as an earlier entry, on an overlapping host address"""
    taken: dict[tuple[int, str], dict[str, int]] = {}
    for index, port in case.each("ports", case.spec.ports):
        address = bound_address(port.host_ip)
        if address is None:
            continue
        holders = taken.setdefault((port.published, port.protocol), {})
        clashes = holders if address == _EVERY_ADDRESS else (address, _EVERY_ADDRESS)
        first = min((holders[clash] for clash in clashes if clash in holders), default=None)
        if first is not None:
            text = f"port {port.published}/{port.protocol} is already published by ports[{first}]"
            yield ("ports", index, "published"), text
        holders.setdefault(address, index)


@rule("deployment.ports.replicas_conflict", "ports", "replicas")
def ports_replicas(case: Case) -> Iterator[Finding]:
    """`ports` non-empty and `replicas > 1`, outside mode `host`"""
    if _many_publish(case):
        yield ("ports",), f"ports can be published by one replica only, not {case.spec.replicas}"


@rule("deployment.replicas.ports_conflict", "ports", "replicas")
def replicas_ports(case: Case) -> Iterator[Finding]:
    """`ports` non-empty and `replicas > 1`, outside mode `host`"""
    if _many_publish(case):
        yield ("replicas",), f"must be at most 1 when ports are published, not {case.spec.replicas}"


@rule("deployment.autoscale.ports_conflict", "ports", "autoscale.max")
def autoscale_ports(case: Case) -> Iterator[Finding]:
    """`ports` non-empty and `autoscale.max > 1`, outside mode `host`"""
    scale = case.spec.autoscale
    if case.spec.ports and scale and scale.max > 1 and network_mode(case) != "host":
        yield ("autoscale", "max"), f"must be 1 when ports are published, not {scale.max}"


NETWORK = (host_unsupported, host_ports, host_replicas, host_autoscale)
PORTS = (
    by_shape("deployment.ports.published.out_of_range", "ports[].published", "0 or > 65535"),
    by_shape("deployment.ports.target.out_of_range", "ports[].target", "0 or > 65535"),
    host_ip_invalid,
    published_duplicate,
    by_shape(
        "deployment.ports.range.invalid", "ports[]", "not ranges `A-B` of ports on both sides"
    ),
    by_shape("deployment.ports.range.length_mismatch", "ports[]", "ranges of unequal length"),
    by_shape("deployment.ports.range.too_large", "ports[]", "more than 256 ports in one range"),
    ports_replicas,
    replicas_ports,
    autoscale_ports,
)


def network_mode(case: Case) -> str:
    return case.spec.network_mode


def bound_address(host_ip: str | None) -> str | None:
    """The address in one spelling, empty for every address, None for what is no address."""
    if host_ip is None:
        return _EVERY_ADDRESS
    try:
        address = ipaddress.ip_address(host_ip)
    except ValueError:
        return None
    if "%" in host_ip:
        return None
    return _EVERY_ADDRESS if address.is_unspecified else str(address)


def _many_publish(case: Case) -> bool:
    # in mode `host` no port can be published at all, and that alone is said
    return bool(case.spec.ports) and case.spec.replicas > 1 and network_mode(case) != "host"
