"""What belongs to nothing any more, and whose it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ring.core import orphans
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.observed import Instance, State
from ring.core.model.stock import HeldNetwork, HeldVolume, Holder
from ring.core.orphans import NOBODYS, Held, KeptDirectory, Kind, Known, Orphan

KNOWN = Known(
    server_id="ours",
    deployments=frozenset({"row"}),
    purged=frozenset({"purged"}),
    namespaces=frozenset({"shop"}),
    volumes=frozenset({("shop", "data")}),
)
INSTANCE = Instance(
    InstanceId("c1"),
    InstanceName("shop_web_1"),
    DeploymentId("gone"),
    "ours",
    State.RUNNING,
    datetime(2027, 3, 2, tzinfo=UTC),
)
OTHER = InstanceName("shop_web_2")
NETWORK = HeldNetwork("n1", "ring_old", "old", "ours")
VOLUME = HeldVolume("ledger", "shop", "ours")
NOTHING = Held("docker", (), (), (), ())


def found(held: Held) -> list[Orphan]:
    return list(orphans.of_runtime(KNOWN, held, orphans.without_orphans(KNOWN, held)))


@pytest.mark.parametrize(
    ("instance", "kept"),
    [
        (INSTANCE, [None]),
        (replace(INSTANCE, server_id=""), [NOBODYS]),
        (replace(INSTANCE, server_id="theirs"), []),
        (replace(INSTANCE, deployment_id=DeploymentId("row")), []),
        (replace(INSTANCE, deployment_id=DeploymentId("purged")), []),
        (replace(INSTANCE, deployment_id=DeploymentId("purged"), made_as=INSTANCE.name), []),
        (replace(INSTANCE, deployment_id=DeploymentId("purged"), made_as=OTHER), [None]),
    ],
)
def test_instances(instance: Instance, kept: list[str | None]) -> None:
    held = NOTHING._replace(instances=[instance])
    assert [orphan.kept for orphan in found(held)] == kept
    assert {orphan.kind for orphan in found(held)} <= {Kind.INSTANCE}


@pytest.mark.parametrize(
    ("network", "kept"),
    [
        (NETWORK, [None]),
        (replace(NETWORK, server_id=""), [NOBODYS]),
        (replace(NETWORK, server_id="theirs"), []),
        (replace(NETWORK, namespace="shop"), []),
    ],
)
def test_networks(network: HeldNetwork, kept: list[str | None]) -> None:
    held = NOTHING._replace(networks=[network])
    assert [orphan.kept for orphan in found(held)] == kept


@pytest.mark.parametrize("name", ["ring_old", "n1"])
def test_a_network_that_any_container_is_on_is_none(name: str) -> None:
    holder = Holder("somebodys", "sha256:1", networks=(name,))
    assert found(NOTHING._replace(networks=[NETWORK], holders=[holder])) == []


def test_what_only_an_orphan_keeps_goes_with_it() -> None:
    holder = Holder(INSTANCE.name, "sha256:1", networks=("ring_old",))
    held = NOTHING._replace(instances=[INSTANCE], networks=[NETWORK], holders=[holder])
    assert [orphan.id for orphan in found(held)] == ["instance:docker:c1", "network:docker:n1"]
    strict = orphans.of_runtime(KNOWN, held, held)
    assert [orphan.kind for orphan in strict] == [Kind.INSTANCE]
    unproven = replace(INSTANCE, server_id="")
    held = held._replace(instances=[unproven])
    assert [orphan.kind for orphan in found(held)] == [Kind.INSTANCE], "that one stays"


@pytest.mark.parametrize(
    ("volume", "count"),
    [
        (VOLUME, 1),
        (replace(VOLUME, server_id=""), 1),
        (replace(VOLUME, server_id="theirs"), 0),
        (replace(VOLUME, name="data"), 0),
        (replace(VOLUME, name="data", namespace="other"), 1),
    ],
)
def test_volumes_are_told_of_and_never_removed(volume: HeldVolume, count: int) -> None:
    told = found(NOTHING._replace(volumes=[volume]))
    assert [orphan.kept for orphan in told] == ["it may hold data"] * count
    used = Holder("x", "sha256:1", volumes=(volume.name,))
    assert found(NOTHING._replace(volumes=[volume], holders=[used])) == []


@pytest.mark.parametrize(
    ("directory", "kept"),
    [
        (KeptDirectory("gone", "ours"), [None]),
        (KeptDirectory("gone", ""), [NOBODYS]),
        (KeptDirectory("gone", "theirs"), []),
        (KeptDirectory("row", "ours"), []),
        (KeptDirectory("purged", ""), [None]),
    ],
)
def test_directories(directory: KeptDirectory, kept: list[str | None]) -> None:
    assert [o.kept for o in orphans.of_files(KNOWN, [directory], [])] == kept


def test_a_directory_that_is_mounted_stays() -> None:
    (orphan,) = orphans.of_files(KNOWN, [KeptDirectory("gone", "ours")], [INSTANCE])
    assert orphan.kept == "an instance still mounts what is in it"
    assert orphan.id == "directory::gone"
