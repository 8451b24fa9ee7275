"""Manifests, and what of them is not believed."""

from __future__ import annotations

import json

import pytest

from ring.runtimes.distribution import descriptors
from ring.runtimes.distribution.descriptors import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    digest_of,
)
from ring.runtimes.distribution.platforms import Platform
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images import references

ONE, TWO, THREE = (digest_of(name) for name in (b"one", b"two", b"three"))
REFERENCE = references.parse("reg.example/team/app:1")
AMD64 = Platform("linux", "amd64")


def entry(digest: str = ONE, size: object = 7, **more: object) -> dict[str, object]:
    return {"mediaType": OCI_MANIFEST, "digest": digest, "size": size, **more}


def index(*entries: object, **more: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(entries), **more}).encode()


def image(**changes: object) -> bytes:
    told = {"schemaVersion": 2, "config": entry(ONE), "layers": [entry(TWO), entry(THREE)]}
    return json.dumps({**told, **changes}).encode()


def for_platform(digest: str, written: str) -> dict[str, object]:
    names = dict(zip(("os", "architecture", "variant"), written.split("/"), strict=False))
    return entry(digest, platform=names)


def chosen(machine: Platform, *entries: object) -> str:
    found = descriptors.parse_index_or_manifest(index(*entries), OCI_INDEX)
    assert isinstance(found, Index)
    return found.choose(machine, REFERENCE).digest


def test_digest() -> None:
    assert digest_of(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert descriptors.verified(b"one", ONE) == b"one"
    with pytest.raises(RegistryProblem, match=f"what came is not {TWO}, but {ONE}"):
        descriptors.verified(b"one", TWO)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST, "", "text/plain"])
def test_manifest(media_type: str) -> None:
    found = descriptors.parse_index_or_manifest(image(), media_type)
    assert found == Manifest(
        Descriptor(OCI_MANIFEST, ONE, 7),
        (Descriptor(OCI_MANIFEST, TWO, 7), Descriptor(OCI_MANIFEST, THREE, 7)),
    )


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX, ""])
def test_index(media_type: str) -> None:
    content = index(
        entry(ONE, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
        entry(TWO, annotations={"a": "b", "c": 4}, platform={"os": ""}),
    )
    found = descriptors.parse_index_or_manifest(content, media_type)
    assert found == Index(
        (
            Descriptor(OCI_MANIFEST, ONE, 7, Platform("linux", "arm", "v7")),
            Descriptor(OCI_MANIFEST, TWO, 7, annotations={"a": "b"}),
        )
    )
    assert isinstance(hash(found), int)


@pytest.mark.parametrize(
    ("content", "media_type", "why"),
    [
        (b"\xff", "", "not JSON"),
        (b"[" * 100_000, "", "not JSON"),
        (b"[]", "", "no object"),
        (b"{}", "", "neither"),
        (image(manifests=[]), "", "neither"),
        (index(layers=[]), OCI_INDEX, "neither"),
        (index(config={}), OCI_INDEX, "neither"),
        (image(), OCI_INDEX, "not what it says it is"),
        (index(), DOCKER_MANIFEST, "not what it says it is"),
        (image(mediaType=OCI_INDEX), "", "not what it says it is"),
        (image(mediaType=OCI_INDEX), OCI_MANIFEST, "not what it says it is"),
        (image(schemaVersion=1), "", "schema 1"),
        (image(), "application/vnd.docker.distribution.manifest.v1+json", "schema 1"),
        (image(layers={}), "", "'layers' is no list"),
        (image(layers=[4]), "", "a descriptor is no object"),
        (image(config=None), "", "a descriptor is no object"),
        (image(config=entry("sha256:beef")), "", "a digest in it is none of SHA-256"),
        (image(config=entry(digest_of(b"").upper())), "", "a digest in it is none of SHA-256"),
        (image(config={"digest": ONE, "size": 7}), "", "without a media type"),
        (image(config=entry(ONE, -1)), "", "without a size"),
        (image(config=entry(ONE, True)), "", "without a size"),
        (image(config=entry(ONE, "7")), "", "without a size"),
        (image(config=entry(ONE, 2**63)), "", "without a size"),
        (image(config=entry(ONE, 1.5)), "", "without a size"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, media_type: str, why: str) -> None:
    with pytest.raises(RegistryProblem, match=why):
        descriptors.parse_index_or_manifest(content, media_type)


@pytest.mark.parametrize(
    ("content", "answered", "kind"),
    [
        (image(), DOCKER_MANIFEST, DOCKER_MANIFEST),
        (image(mediaType=DOCKER_MANIFEST), "text/plain", DOCKER_MANIFEST),
        (image(mediaType=[]), "text/plain", OCI_MANIFEST),
        (index(), "", OCI_INDEX),
    ],
)
def test_media_type(content: bytes, answered: str, kind: str) -> None:
    assert descriptors.media_type_of(content, answered) == kind


def test_the_machines_own_image_is_chosen() -> None:
    entries = (
        entry(THREE),
        for_platform(TWO, "linux/arm64/v8"),
        for_platform(THREE, "windows/amd64"),
        for_platform(ONE, "linux/amd64"),
    )
    assert chosen(AMD64, *entries) == ONE
    assert chosen(Platform("linux", "arm64"), *entries) == TWO


@pytest.mark.parametrize(
    ("machine", "digest"), [("v7", TWO), ("v6", ONE), ("v5", THREE), ("v8", TWO)]
)
def test_an_older_arm_is_chosen_where_there_is_no_better(machine: str, digest: str) -> None:
    entries = (
        for_platform(ONE, "linux/arm/v6"),
        for_platform(TWO, "linux/arm/v7"),
        entry(THREE),
    )
    expected = digest if machine != "v8" else THREE
    assert chosen(Platform("linux", "arm", machine), *entries) == expected


def test_what_says_nothing_is_chosen_last() -> None:
    entries = (for_platform(ONE, "linux/s390x"), entry(TWO), entry(THREE))
    assert chosen(AMD64, *entries) == TWO


def test_an_attestation_is_no_image() -> None:
    attestation = for_platform(ONE, "unknown/unknown")
    assert chosen(AMD64, attestation, for_platform(TWO, "linux/amd64")) == TWO
    with pytest.raises(RegistryProblem) as caught:
        chosen(AMD64, attestation, for_platform(TWO, "linux/arm/v7"))
    assert caught.value.text == (
        "there is no image for linux/amd64 in 'reg.example/team/app:1', only for linux/arm/v7"
    )
    with pytest.raises(RegistryProblem, match="only for nothing"):
        chosen(AMD64, attestation)


def test_an_index_within_an_index_is_chosen_like_an_image() -> None:
    nested = {**for_platform(ONE, "linux/amd64"), "mediaType": OCI_INDEX}
    found = descriptors.parse_index_or_manifest(index(nested), OCI_INDEX)
    assert isinstance(found, Index)
    assert found.choose(AMD64, REFERENCE).media_type == OCI_INDEX


def test_diff_ids() -> None:
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [ONE, TWO]}}).encode()
    assert descriptors.diff_ids(config) == (ONE, TWO)


@pytest.mark.parametrize(
    "config", [b"", b"4", b"{}", b'{"rootfs": {}}', b'{"rootfs": {"diff_ids": ["sha256:x"]}}']
)
def test_what_is_no_configuration_is_refused(config: bytes) -> None:
    with pytest.raises(RegistryProblem, match="cannot be read"):
        descriptors.diff_ids(config)
