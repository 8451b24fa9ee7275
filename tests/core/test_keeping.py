"""Which images are needed, and which may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ring.core.keeping import Judged, Kind, User, Want, full_name, judge, repository
from ring.core.model.stock import HeldImage, Holder, PulledImage

ID = "sha256:" + "ab" * 32
DIGEST = "sha256:" + "cd" * 32
OTHER = "sha256:" + "ef" * 32
NOW = datetime(2027, 3, 2, tzinfo=UTC)
WEB = User(Kind.DEPLOYMENT, "shop/web")
KEPT = User(Kind.REVISION, "shop/web 3")
HELD = HeldImage(ID, ("reg.example/app:1", f"reg.example/app@{DIGEST}"), 100)


def pulled(reference: str = "reg.example/app:1", image_id: str = ID) -> PulledImage:
    return PulledImage("docker", image_id, reference, DIGEST, NOW, NOW)


def judged(
    *wants: Want,
    held: HeldImage = HELD,
    brought: tuple[PulledImage, ...] = (pulled(),),
    holders: tuple[Holder, ...] = (),
) -> Judged:
    (found,) = judge("docker", [held], pulled=brought, wants=wants, holders=holders)
    return found


def test_what_nobody_needs_may_go() -> None:
    found = judged()
    assert found.users == ()
    assert found.may_go()
    assert found.shown == "reg.example/app:1"


@pytest.mark.parametrize(
    "want",
    [
        Want(WEB, "reg.example/app:1"),
        Want(WEB, "reg.example/app:2", DIGEST),
        Want(WEB, "reg.example/app:2", ID),
        Want(WEB, f"reg.example/app@{DIGEST}"),
        Want(WEB, f"mirror.example/app:9@{DIGEST}"),
        Want(WEB, ID),
        Want(WEB, "abababababab"),
        Want(KEPT, "reg.example/app:1"),
    ],
)
def test_what_somebody_needs_stays(want: Want) -> None:
    found = judged(want)
    assert found.users == (want.user,)
    assert not found.may_go()


@pytest.mark.parametrize(
    "want",
    [
        Want(WEB, "reg.example/app:2", OTHER),
        Want(WEB, "reg.example/app"),
        Want(WEB, f"reg.example/app:1@{OTHER}"),
        Want(WEB, "app:1"),
        Want(WEB, "cdcdcdcdcdcd"),
    ],
)
def test_another_image_keeps_nothing(want: Want) -> None:
    """A digest wins over the tag beside it: that reference means what the digest is."""
    assert judged(want).may_go()


def test_spellings_of_the_hub_are_one() -> None:
    held = HeldImage(ID, ("redis:latest",), 1)
    found = judged(
        Want(WEB, "index.docker.io/library/redis"), held=held, brought=(pulled("redis"),)
    )
    assert found.users == (WEB,)


def test_a_container_keeps_its_image_whoever_made_it() -> None:
    found = judged(holders=(Holder("somebodys", ID), Holder("another", OTHER)))
    assert found.users == (User(Kind.CONTAINER, "somebodys"),)
    assert not found.may_go(even_if_kept=True)


def test_a_revision_keeps_unless_that_is_not_wanted() -> None:
    found = judged(Want(KEPT, "reg.example/app:1"))
    assert not found.may_go()
    assert found.may_go(even_if_kept=True)
    both = judged(Want(KEPT, "reg.example/app:1"), Want(WEB, "reg.example/app:1"))
    assert not both.may_go(even_if_kept=True)


def test_what_ring_has_not_pulled_never_goes() -> None:
    assert not judged(brought=()).may_go(even_if_kept=True)
    assert not judged(brought=(pulled(image_id=OTHER),)).may_go(even_if_kept=True)


@pytest.mark.parametrize(
    "name", ["mine:1", "reg.example/app:stable", f"mirror.example/app@{DIGEST}"]
)
def test_a_name_that_somebody_gave_it_keeps_it(name: str) -> None:
    found = judged(held=HeldImage(ID, (*HELD.names, name), 1))
    assert found.others == (name,)
    assert not found.may_go(even_if_kept=True)


def test_a_second_reference_of_ours_is_no_strangers() -> None:
    held = HeldImage(ID, (*HELD.names, "reg.example/app:stable"), 1)
    found = judged(held=held, brought=(pulled(), pulled("reg.example/app:stable")))
    assert found.may_go()


def test_age_counts_from_the_last_use() -> None:
    found = judged()
    assert found.is_older(60, NOW + timedelta(seconds=60))
    assert not found.is_older(60, NOW + timedelta(seconds=59))
    assert not judged(brought=()).is_older(0, NOW + timedelta(days=999))


@pytest.mark.parametrize(
    ("written", "full", "place"),
    [
        ("redis", "docker.io/library/redis:latest", "docker.io/library/redis"),
        ("redis:7", "docker.io/library/redis:7", "docker.io/library/redis"),
        ("h:5000/a/b", "h:5000/a/b:latest", "h:5000/a/b"),
        (f"h:5000/a/b:1@{DIGEST}", f"h:5000/a/b@{DIGEST}", "h:5000/a/b"),
    ],
)
def test_full_names(written: str, full: str, place: str) -> None:
    assert full_name(written) == full
    assert repository(full) == place
