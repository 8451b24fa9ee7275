from __future__ import annotations

from ring.core.model import labels


def test_only_its_own_keys_are_rings() -> None:
    given = {
        "ring.server": "x",
        "ring.health": "x",
        "ring.team": "x",
        "ring_deployment": "x",
        "ring.": "x",
        "a": "x",
    }
    assert labels.own_among(given) == ("ring.health", "ring.server", "ring_deployment")
    assert labels.own_among({}) == ()
