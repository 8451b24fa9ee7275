"""What is mounted, as the engine is told; and the shares of a network file system among it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.shares import Share
from ring.core.model.spec import Volume
from ring.runtimes import shares
from ring.runtimes.base import File, RuntimeFailure
from ring.runtimes.docker import mounts, nfs
from tests.runtimes.docker.orders import order

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SHARE = Volume(type="volume", source="nas:/exp", destination="/data", driver="nfs")
NAME = "ring-nfs-" + hashlib.sha256(b"nas:/exp").hexdigest()[:12]
OPTIONS = {"type": "nfs", "device": ":/exp", "o": "addr=nas,nfsvers=4,rw"}
READ_ONLY = {**OPTIONS, "o": "addr=nas,nfsvers=4,ro"}


def bind(source: str = "/srv", **members: object) -> Volume:
    data = {"type": "bind", "source": source, "destination": "/data", "permission": "rw", **members}
    return Volume.model_validate(data)


def test_a_bind_without_a_path_is_a_named_volume() -> None:
    old = Volume(type="bind", source="files", destination="/files")
    assert old.is_named
    assert not bind().is_named
    mounted = mounts.members(order(volumes=(old,)))["Mounts"]
    assert mounted == [{"Type": "volume", "Source": "files", "Target": "/files", "ReadOnly": False}]


@pytest.mark.parametrize("kind", ["config", "secret"])
def test_a_config_or_secret_is_no_named_volume(kind: str) -> None:
    volume = Volume.model_validate({"type": kind, "source": "a", "destination": "/a"})
    assert not volume.is_named


def test_on_a_host_with_selinux_the_files_of_ring_are_labelled_and_no_others() -> None:
    files = (File("/key", b"", "/run/key"), File("/odd:key", b"", "/run/odd"))
    told = mounts.members(order(volumes=(bind(),), files=files), is_labelled=True)
    assert told == {
        "Mounts": [
            {"Type": "bind", "Source": "/srv", "Target": "/data", "ReadOnly": False},
            # What has a colon cannot be written as a bind.
            {"Type": "bind", "Source": "/run/odd", "Target": "/odd:key", "ReadOnly": True},
        ],
        "Binds": ["/run/key:/key:ro,z"],
    }


def test_each_kind_is_a_mount() -> None:
    volumes = (
        bind(permission="ro"),
        Volume(type="volume", source="ledger", destination="/ledger"),
        SHARE,
        Volume(type="volume", source="plain", destination="/plugin", driver="nfs"),
        Volume(type="secret", source="key", destination="/key"),
    )
    files = (File("/key", b"", "/run/key"), File("/copied", b"", None))
    told = mounts.members(order(volumes=volumes, files=files))
    assert told == {
        "Mounts": [
            {"Type": "bind", "Source": "/srv", "Target": "/data", "ReadOnly": True},
            {"Type": "volume", "Source": "ledger", "Target": "/ledger", "ReadOnly": False},
            {"Type": "volume", "Source": NAME, "Target": "/data", "ReadOnly": False},
            {"Type": "volume", "Source": "plain", "Target": "/plugin", "ReadOnly": False},
            {"Type": "bind", "Source": "/run/key", "Target": "/key", "ReadOnly": True},
        ]
    }


def test_volumes_that_the_engine_made_for_it() -> None:
    chosen, own = "c" * 64, "0123456789abcdef" * 4
    entry = {
        "HostConfig": {"Mounts": [{"Type": "volume", "Source": chosen, "Target": "/chosen"}]},
        "Mounts": [
            {"Type": "volume", "Name": chosen, "Destination": "/chosen"},
            {"Type": "volume", "Name": own, "Destination": "/data"},
            {"Type": "volume", "Name": "ledger", "Destination": "/ledger"},
            {"Type": "bind", "Source": "/srv", "Destination": "/srv"},
        ],
    }
    assert mounts.anonymous(entry) == (own,)
    assert mounts.anonymous({"HostConfig": {"Mounts": None}, "Mounts": None}) == ()


@pytest.mark.parametrize(
    ("relabel", "permission", "written"),
    [
        ("shared", "ro", "/srv:/data:ro,z"),
        ("shared", "rw", "/srv:/data:rw,z"),
        ("private", "rw", "/srv:/data:rw,Z"),
    ],
)
def test_what_is_labelled_is_a_bind(relabel: str, permission: str, written: str) -> None:
    volume = bind(relabel=relabel, permission=permission)
    assert mounts.members(order(volumes=(volume,))) == {"Mounts": [], "Binds": [written]}


async def test_a_source_that_is_labelled_must_be_there(tmp_path: Path) -> None:
    missing = bind(f"{tmp_path}/missing", relabel="shared")
    spec = order(volumes=(missing,)).spec
    with pytest.raises(RuntimeFailure, match=f"{tmp_path}/missing") as caught:
        await mounts.require_sources(spec, is_here=True)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    await mounts.require_sources(spec, is_here=False)
    await mounts.require_sources(
        order(volumes=(bind(f"{tmp_path}", relabel="shared"), bind(f"{tmp_path}/missing"))).spec,
        is_here=True,
    )


@pytest.mark.parametrize("is_here", [True, False])
@pytest.mark.parametrize(
    "volume",
    [bind("/a:b", relabel="shared"), bind("/", destination="/a:b", relabel="shared")],
    ids=["source", "destination"],
)
async def test_a_colon_cannot_be_told(volume: Volume, is_here: bool) -> None:
    with pytest.raises(RuntimeFailure, match="takes no path with a ':'"):
        await mounts.require_sources(order(volumes=(volume,)).spec, is_here=is_here)


def test_a_share_is_a_volume_with_options() -> None:
    assert shares.share_of(SHARE) == Share("nas", "/exp")
    assert mounts.name_of(SHARE) == NAME
    assert nfs.options(Share("nas", "/exp"), read_only=False) == OPTIONS
    assert nfs.options(Share("nas", "/exp"), read_only=True) == READ_ONLY


@pytest.mark.parametrize(
    "volume",
    [
        SHARE.model_copy(update={"driver": "local"}),
        SHARE.model_copy(update={"source": "plain"}),
        SHARE.model_copy(update={"source": None}),
        bind("/exp", driver="nfs"),
    ],
)
def test_what_is_no_share(volume: Volume) -> None:
    assert shares.share_of(volume) is None
    assert mounts.name_of(volume) == (volume.source or "")


@pytest.mark.parametrize(
    ("made", "wanted", "why"),
    [
        (OPTIONS, OPTIONS, None),
        (READ_ONLY, READ_ONLY, None),
        (OPTIONS, READ_ONLY, None),
        (READ_ONLY, OPTIONS, "read-only"),
        ({}, OPTIONS, "elsewhere"),
        ({**OPTIONS, "device": ":/other"}, OPTIONS, "elsewhere"),
        ({**OPTIONS, "o": "addr=other,nfsvers=4,rw"}, READ_ONLY, "elsewhere"),
    ],
)
def test_a_share_that_is_there_already(
    made: dict[str, str], wanted: dict[str, str], why: str | None
) -> None:
    found = nfs.difference(made, wanted)
    assert (found is None) if why is None else (found is not None and why in found)
