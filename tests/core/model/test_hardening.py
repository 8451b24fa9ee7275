from __future__ import annotations

import json

import pytest

from ring.core.model.hardening import in_effect
from ring.core.model.spec import DeploymentSpec, Security
from tests.core.bodies import MINIMAL


def comes_to(security: object) -> Security:
    body = {**MINIMAL, "security": security}
    return in_effect(DeploymentSpec.model_validate_json(json.dumps(body)))


NOTHING = Security(read_only=False, no_new_privileges=False)


@pytest.mark.parametrize("security", [None, {}, {"hardened": False}])
def test_nothing_said_takes_nothing(security: object) -> None:
    assert comes_to(security) == NOTHING


def test_hardened_takes_all_but_what_is_added() -> None:
    security = {"hardened": True, "cap_add": ["CAP_NET_BIND_SERVICE", "KILL"], "seccomp": "/a"}
    assert comes_to(security) == Security(
        cap_add=("NET_BIND_SERVICE", "KILL"),
        cap_drop=("ALL",),
        read_only=True,
        no_new_privileges=True,
        seccomp="/a",
    )


@pytest.mark.parametrize(
    ("added", "dropped", "left_dropped"),
    [
        (["KILL"], ["CAP_KILL", "CHOWN"], ("CHOWN",)),
        (["CAP_KILL"], ["ALL"], ("ALL",)),
        (["ALL"], ["KILL"], ("KILL",)),
        (["ALL", "KILL"], ["KILL", "ALL"], ()),
        ([], ["KILL", "CAP_KILL"], ("KILL",)),
    ],
)
def test_what_is_added_wins(
    added: list[str], dropped: list[str], left_dropped: tuple[str, ...]
) -> None:
    assert comes_to({"cap_add": added, "cap_drop": dropped}).cap_drop == left_dropped


def test_single_restrictions_stay_single() -> None:
    assert comes_to({"read_only": True}) == NOTHING.model_copy(update={"read_only": True})
    assert comes_to({"no_new_privileges": True}).cap_drop == ()
