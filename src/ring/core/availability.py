"""What the specification knows and this version does not do yet: the one list of it.

A body that uses one of these gets one violation `deployment.<path>.not_available`, whatever else
the value says. Not used is: absent, null, false, an empty list or object.
"""

from __future__ import annotations

UNAVAILABLE: frozenset[str] = frozenset(
    {
        "network.mode=none",
        "network.mode=shared",
        "network.share",
        "network.aliases",
        "network.ipv4",
        "network.ipv6",
        "network.mac",
        "network.dns",
        "network.attach",
        "network.policy",
    }
)
"""Field paths without indices and map keys; `path=value` for a single value of a field."""
