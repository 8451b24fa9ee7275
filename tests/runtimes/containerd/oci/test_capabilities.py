from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.hardening import in_effect
from ring.core.rules import linux
from ring.runtimes.containerd.oci import capabilities
from tests.runtimes.containerd.orders import order

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.spec import Security


def security(**members: object) -> Security:
    return in_effect(order({"security": members}).spec)


def test_every_name_has_its_number() -> None:
    assert set(capabilities.NUMBERED) == linux.CAPABILITIES
    assert len(capabilities.NUMBERED) == len(linux.CAPABILITIES)


def test_what_is_available_is_in_the_bounding_set(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tring\nCapEff:\t0000000001000000\nCapBnd:\t0000000000000401\n")
    assert capabilities.available(status) == {"CHOWN", "NET_BIND_SERVICE"}
    assert capabilities.can_raise_limits(status)
    status.write_text("CapEff:\t000001fffeffffff\n")
    assert not capabilities.can_raise_limits(status)


USUAL = {f"CAP_{name}" for name in capabilities.DEFAULT}


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, USUAL),
        ({"cap_add": ["NET_ADMIN"]}, USUAL | {"CAP_NET_ADMIN"}),
        ({"cap_drop": ["CAP_CHOWN"]}, USUAL - {"CAP_CHOWN"}),
        ({"cap_drop": ["ALL"]}, set()),
        ({"cap_drop": ["ALL"], "cap_add": ["KILL"]}, {"CAP_KILL"}),
        ({"hardened": True, "cap_add": ["NET_BIND_SERVICE"]}, {"CAP_NET_BIND_SERVICE"}),
    ],
)
def test_root_has_all_that_it_may_have(members: dict[str, object], found: set[str]) -> None:
    sets = capabilities.sets(security(**members), is_privileged=False, uid=0)
    assert set(sets["bounding"]) == found
    assert sets["bounding"] == sets["effective"] == sets["permitted"]
    assert sets["inheritable"] == sets["ambient"] == []


def test_anybody_else_has_what_is_added() -> None:
    sets = capabilities.sets(security(cap_add=["NET_ADMIN"]), is_privileged=False, uid=1000)
    assert set(sets["bounding"]) == USUAL | {"CAP_NET_ADMIN"}
    for name in ("effective", "permitted", "inheritable", "ambient"):
        assert sets[name] == ["CAP_NET_ADMIN"]


def test_all_but_some() -> None:
    every = {f"CAP_{name}" for name in capabilities.available()}
    written = security(cap_add=["ALL"], cap_drop=["NET_RAW"])
    for uid in (0, 1000):
        sets = capabilities.sets(written, is_privileged=False, uid=uid)
        assert set(sets["bounding"]) == set(sets["effective"]) == every - {"CAP_NET_RAW"}


def test_a_privileged_one() -> None:
    every = {f"CAP_{name}" for name in capabilities.available()}
    sets = capabilities.sets(security(), is_privileged=True, uid=0)
    assert set(sets["effective"]) == every
    assert capabilities.sets(security(), is_privileged=True, uid=1000)["effective"] == []
