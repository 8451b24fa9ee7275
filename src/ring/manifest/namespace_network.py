"""The network settings of a namespace as a file may write them; the server judges the values."""

from __future__ import annotations

from typing import Any, Final

from ring.core.model.shapes import Choice, Either, Flag, MapOf, Member, Object, Shape, Text, Whole


def _settings(name: str, **described: tuple[Shape, str]) -> Object:
    return Object(
        name,
        {
            key: Member(shape, required=False, description=description)
            for key, (shape, description) in described.items()
        },
    )


_BY_DEFAULT = Choice(("allow", "deny"))
NETWORK: Final = _settings(
    "NamespaceNetwork",
    subnet=(
        Either(Text(), MapOf(Text())),
        "IPv4 subnet, or a map of one for each runtime; absent: chosen by Ring or the engine.",
    ),
    gateway=(Text(), "Gateway address inside the subnet."),
    ip_range=(Text(), "Part of the subnet that addresses are given from."),
    reserved=(MapOf(Text()), "Addresses that are given to nobody, by a name for each."),
    ipv6=(
        _settings(
            "NamespaceIpv6",
            subnet=(Text(), "IPv6 subnet."),
            gateway=(Text(), "Gateway address inside the IPv6 subnet."),
            ip_range=(Text(), "Part of the IPv6 subnet that addresses are given from."),
        ),
        "IPv6 on this network; absent: off.",
    ),
    mtu=(Whole(), "Largest packet; absent: that of the host's way out, at most 1500."),
    internal=(Flag(), "No route out and no published ports; absent: false."),
    masquerade=(Flag(), "Outgoing traffic has the host's address; absent: true."),
    icc=(Flag(), "Instances reach each other; absent: true."),
    host_ip=(Text(), "Host address of published ports that name none."),
    bridge_name=(Text(), "Name of the host's bridge, at most 15 characters."),
    options=(MapOf(Text()), "Options for the engine's network driver."),
    labels=(MapOf(Text()), "Labels of the network."),
    policy=(
        _settings(
            "NamespacePolicy",
            ingress=(_BY_DEFAULT, "For deployments without ingress rules; absent: allow."),
            egress=(_BY_DEFAULT, "For deployments without egress rules; absent: allow."),
        ),
        "What holds for deployments without rules of their own.",
    ),
)

_DEFAULTS: Final[dict[str, Any]] = {
    "internal": False,
    "masquerade": True,
    "icc": True,
    "policy": {"ingress": "allow", "egress": "allow"},
}


def same(one: Any, other: Any) -> bool:
    """Whether two settings mean the same; what says only the default may be left out."""
    return bool(_meaning(one) == _meaning(other))


def _meaning(settings: Any) -> Any:
    given = settings if isinstance(settings, dict) else {}
    filled = {**_DEFAULTS, **{key: part for key, part in given.items() if part is not None}}
    policy = filled["policy"]
    if isinstance(policy, dict):
        filled["policy"] = {**_DEFAULTS["policy"], **policy}
    return {key: part for key, part in filled.items() if part not in ({}, [])}
