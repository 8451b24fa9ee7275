"""What a registry is asked for, and what comes of its answers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ring.runtimes.distribution.client import Registries
from ring.runtimes.distribution.descriptors import (
    DOCKER_MANIFEST,
    MOST_MANIFEST_BYTES,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
)
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.transport import Deadlines
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause
from tests.runtimes.distribution.scripted import (
    CONFIG,
    LAYER,
    Registry,
    always,
    errors,
    manifest,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.runtimes.base import Login
    from ring.runtimes.images.references import Reference

pytestmark = pytest.mark.anyio

DIGEST = digest_of(b"anything")
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "config": {"mediaType": CONFIG, "digest": DIGEST, "size": 2},
        "layers": [{"mediaType": LAYER, "digest": DIGEST, "size": 3}],
    }
).encode()
CONTENT = bytes(range(256)) * 40
TAG = "/v2/team/app/manifests/1"


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    async with serving() as one:
        yield one


def parsed(registry: Registry, version: str = "1") -> Reference:
    return references.parse(registry.image(version))


async def refused(
    registries: Registries, reference: Reference, login: Login | None = None
) -> RegistryProblem:
    with pytest.raises(RegistryProblem) as caught:
        await registries.resolve(reference, login)
    return caught.value


async def taken(
    registries: Registries, reference: Reference, blob: Descriptor, offset: int = 0
) -> tuple[int, bytes]:
    """Where it began, and what came."""
    async with registries.blob(reference, blob, offset, None) as found:
        return found.offset, b"".join([chunk async for chunk in found.chunks()])


async def test_a_tag_is_resolved_by_the_head_alone(
    registries: Registries, registry: Registry
) -> None:
    kept = registry.keep(MANIFEST, media_type=DOCKER_MANIFEST)
    assert await registries.resolve(parsed(registry), None) == kept
    assert registry.lines == [f"HEAD {TAG}"]
    accepted = registry.asked[0].headers["Accept"]
    assert OCI_INDEX in accepted
    assert "manifest.list.v2+json" in accepted


async def test_no_tag_is_the_latest(registries: Registries, registry: Registry) -> None:
    kept = registry.keep(MANIFEST, "latest")
    assert await registries.resolve(references.parse(f"{registry.host}/team/app"), None) == kept


async def test_a_digest_is_asked_for_in_place_of_its_tag(
    registries: Registries, registry: Registry
) -> None:
    kept = registry.keep(MANIFEST)
    reference = references.parse(f"{registry.image('moved')}@{kept.digest}")
    assert await registries.resolve(reference, None) == kept
    assert registry.lines == [f"HEAD /v2/team/app/manifests/{kept.digest}"]


@pytest.mark.parametrize("digest", ["", "sha256:short", "sha512:" + "0" * 128])
async def test_a_head_without_a_digest_is_followed_by_a_get(
    registries: Registries, registry: Registry, digest: str
) -> None:
    kept = registry.keep(MANIFEST)
    registry.instead[f"HEAD {TAG}"] = always(lambda: manifest(MANIFEST, digest=digest))
    assert await registries.resolve(parsed(registry), None) == kept
    assert registry.lines == [f"HEAD {TAG}", f"GET {TAG}"]


@pytest.mark.parametrize("length", ["0" * 15 + "1" + "0" * 9, "9" * 19])
async def test_a_head_whose_length_no_manifest_can_have_is_followed_by_a_get(
    registries: Registries, registry: Registry, length: str
) -> None:
    kept = registry.keep(MANIFEST)

    def answer() -> web.Response:
        told = manifest(MANIFEST)
        told.headers["Content-Length"] = length
        return told

    registry.instead[f"HEAD {TAG}"] = always(answer)
    assert await registries.resolve(parsed(registry), None) == kept
    assert registry.lines == [f"HEAD {TAG}", f"GET {TAG}"]


@pytest.mark.parametrize("status", [400, 404, 405, 500])
async def test_a_registry_that_knows_no_head_is_asked_with_get(
    registries: Registries, registry: Registry, status: int
) -> None:
    kept = registry.keep(MANIFEST)
    registry.instead[f"HEAD {TAG}"] = always(lambda: web.Response(status=status))
    assert await registries.resolve(parsed(registry), None) == kept


@pytest.mark.parametrize("answered", ["text/plain", "application/octet-stream", ""])
@pytest.mark.parametrize("stated", [DOCKER_MANIFEST, None])
async def test_what_kind_it_is_says_the_content_where_the_head_does_not(
    registries: Registries, registry: Registry, answered: str, stated: str | None
) -> None:
    told = json.loads(MANIFEST)
    content = json.dumps({**told, "mediaType": stated} if stated else told).encode()
    registry.keep(content, media_type=answered)
    found = await registries.resolve(parsed(registry), None)
    assert found == Descriptor(stated or OCI_MANIFEST, digest_of(content), len(content))


async def test_another_image_under_the_digest_is_refused(
    registries: Registries, registry: Registry
) -> None:
    reference = parsed(registry).at(DIGEST)
    path = f"/v2/team/app/manifests/{DIGEST}"
    for method in ("HEAD", "GET"):
        registry.instead[f"{method} {path}"] = always(lambda: manifest(MANIFEST))
    problem = await refused(registries, reference)
    assert problem.cause is Cause.OTHER
    assert problem.text == f"what came is not {DIGEST}, but {digest_of(MANIFEST)}"


async def test_a_head_that_contradicts_the_content_is_refused(
    registries: Registries, registry: Registry
) -> None:
    registry.instead[f"GET {TAG}"] = always(lambda: manifest(MANIFEST, digest=DIGEST))
    problem = await refused(registries, parsed(registry))
    assert problem.text.startswith(f"what came is not {DIGEST}")


async def test_schema_1_is_refused_by_name(registries: Registries, registry: Registry) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    registry.keep(b'{"schemaVersion": 1, "fsLayers": []}', media_type=kind)
    assert "schema 1" in (await refused(registries, parsed(registry))).text


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"schemaVersion": 2}'])
async def test_garbage_is_no_manifest(
    registries: Registries, registry: Registry, content: bytes
) -> None:
    registry.keep(content, media_type="text/html")
    problem = await refused(registries, parsed(registry))
    assert problem.cause is Cause.OTHER
    assert "its manifest cannot be read" in problem.text


@pytest.mark.parametrize(
    ("refusal", "cause", "says"),
    [
        ((404, "MANIFEST_UNKNOWN", "no tag"), Cause.NOT_FOUND, "manifest unknown: no tag"),
        ((404, "NAME_UNKNOWN", ""), Cause.NOT_FOUND, "name unknown"),
        ((400, "NAME_INVALID", "bad"), Cause.NOT_FOUND, "name invalid: bad"),
        ((404, "DENIED", "not yours"), Cause.DENIED, "denied: not yours"),
        ((403, "", ""), Cause.DENIED, "it answers 403 Forbidden"),
        ((500, "UNKNOWN", "disk\n full\x1b"), Cause.OTHER, "unknown: disk full"),
        ((503, "TOOMANYREQUESTS", "retry-after: 7s"), Cause.LIMITED, "toomanyrequests: retry-"),
    ],
)
async def test_a_refusal_is_told_by_its_code(
    registries: Registries,
    registry: Registry,
    refusal: tuple[int, str, str],
    cause: Cause,
    says: str,
) -> None:
    status, code, message = refusal
    registry.instead[f"HEAD {TAG}"] = always(lambda: web.Response(status=status))
    registry.instead[f"GET {TAG}"] = always(lambda: errors(code, message, status))
    problem = await refused(registries, parsed(registry))
    assert problem.cause is cause
    assert problem.text.startswith(f"{registry.host}: {says}")
    assert problem.retry_after_s == (7.0 if cause is Cause.LIMITED else 0.0)


@pytest.mark.parametrize("body", [b"", b"<html>gone", b"[1]", b'{"errors": 4}', b"[" * 60000])
async def test_a_refusal_without_a_code_is_told_by_its_status(
    registries: Registries, registry: Registry, body: bytes
) -> None:
    registry.instead[f"GET {TAG}"] = always(lambda: web.Response(status=404, body=body))
    problem = await refused(registries, parsed(registry))
    assert problem.cause is Cause.NOT_FOUND
    assert problem.text == f"{registry.host}: it answers 404 Not Found"


async def test_a_limit_is_not_asked_about_twice(registries: Registries, registry: Registry) -> None:
    registry.instead[f"HEAD {TAG}"] = always(
        lambda: web.Response(status=429, headers={"Retry-After": "90"})
    )
    problem = await refused(registries, parsed(registry))
    assert problem.cause is Cause.LIMITED
    assert problem.retry_after_s == 90.0
    assert registry.lines == [f"HEAD {TAG}"]


@pytest.mark.parametrize(
    "written",
    [
        "{host}/team/App:1",
        "{host}/team/../../token:1",
        "{host}/team/app:a b",
        "{host}/team/app:x?y=z",
        "{host}/team/app:" + "a" * 129,
        "{host}/team/app@sha256:beef",
        "{host}/team//app:1",
        "../../etc/app:1",
        "-x.example/app:1",
        "x.example:99999/app:1",
        "",
    ],
)
async def test_what_cannot_be_an_image_is_asked_for_nowhere(
    registries: Registries, registry: Registry, written: str
) -> None:
    problem = await refused(registries, references.parse(written.format(host=registry.host)))
    assert problem.cause is Cause.NOT_FOUND
    assert registry.asked == []


async def test_a_manifest_is_what_its_digest_says(
    registries: Registries, registry: Registry
) -> None:
    kept = registry.keep(MANIFEST)
    assert await registries.manifest(parsed(registry), kept.digest, None) == MANIFEST
    registry.manifests[kept.digest] = (OCI_MANIFEST, MANIFEST + b" ")
    with pytest.raises(RegistryProblem, match="what came is not sha256:"):
        await registries.manifest(parsed(registry), kept.digest, None)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_huge_manifest_is_refused(
    registries: Registries, registry: Registry, is_chunked: bool
) -> None:
    kept = registry.keep(b" " * (MOST_MANIFEST_BYTES + 1))

    async def huge(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if is_chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = kept.size
        await response.prepare(request)
        await response.write(b" " * kept.size)
        return response

    registry.instead[f"GET /v2/team/app/manifests/{kept.digest}"] = huge
    with pytest.raises(RegistryProblem, match=f"longer than {MOST_MANIFEST_BYTES} bytes"):
        await registries.manifest(parsed(registry), kept.digest, None)
    assert "longer than" in (await refused(registries, parsed(registry))).text


async def test_a_blob_comes_whole(registries: Registries, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)
    assert await taken(registries, parsed(registry), blob) == (0, CONTENT)
    assert registry.lines == [f"GET /v2/team/app/blobs/{blob.digest}"]
    assert "Range" not in registry.asked[0].headers
    assert registry.asked[0].headers["Accept-Encoding"] == "identity"


async def test_an_empty_blob_is_one(registries: Registries, registry: Registry) -> None:
    assert await taken(registries, parsed(registry), registry.keep_blob(b"")) == (0, b"")


async def test_a_blob_is_resumed(registries: Registries, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)
    assert await taken(registries, parsed(registry), blob, 1000) == (1000, CONTENT[1000:])
    assert registry.asked[0].headers["Range"] == "bytes=1000-"


async def test_a_server_without_ranges_begins_anew(
    registries: Registries, registry: Registry
) -> None:
    blob = registry.keep_blob(CONTENT)
    path = f"GET /v2/team/app/blobs/{blob.digest}"
    registry.instead[path] = always(lambda: web.Response(body=CONTENT))
    assert await taken(registries, parsed(registry), blob, 1000) == (0, CONTENT)


@pytest.mark.parametrize(
    ("told", "begin"), [("bytes 500-10239/10240", 500), ("bytes 1000-10239/*", 1000)]
)
async def test_it_begins_where_the_server_says(
    registries: Registries, registry: Registry, told: str, begin: int
) -> None:
    blob = registry.keep_blob(CONTENT)
    registry.instead[f"GET /v2/team/app/blobs/{blob.digest}"] = always(
        lambda: web.Response(status=206, body=CONTENT[begin:], headers={"Content-Range": told})
    )
    assert await taken(registries, parsed(registry), blob, 1000) == (begin, CONTENT[begin:])


@pytest.mark.parametrize("told", ["", "bytes 1001-10239/10240", "bytes */10240", "lines 1-2/3"])
async def test_a_range_that_leaves_a_gap_is_refused(
    registries: Registries, registry: Registry, told: str
) -> None:
    blob = registry.keep_blob(CONTENT)
    registry.instead[f"GET /v2/team/app/blobs/{blob.digest}"] = always(
        lambda: web.Response(status=206, body=CONTENT[1001:], headers={"Content-Range": told})
    )
    with pytest.raises(RegistryProblem, match="206 Partial Content"):
        await taken(registries, parsed(registry), blob, 1000)


async def test_a_missing_blob_is_no_missing_image(
    registries: Registries, registry: Registry
) -> None:
    with pytest.raises(RegistryProblem, match="blob unknown") as caught:
        await taken(registries, parsed(registry), Descriptor(LAYER, DIGEST, 3))
    assert caught.value.cause is Cause.OTHER


async def test_more_than_was_described_is_refused(
    registries: Registries, registry: Registry
) -> None:
    blob = registry.keep_blob(CONTENT)
    with pytest.raises(RegistryProblem, match="more than 10 bytes"):
        await taken(registries, parsed(registry), Descriptor(LAYER, blob.digest, 10))


async def test_an_early_end_is_told(registries: Registries, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)
    larger = Descriptor(LAYER, blob.digest, blob.size + 1)
    with pytest.raises(RegistryProblem, match="ended after 10240 of 10241 bytes") as caught:
        await taken(registries, parsed(registry), larger)
    assert caught.value.cause is Cause.BROKEN_OFF


async def test_a_broken_connection_is_told(registries: Registries, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = blob.size
        await response.prepare(request)
        await response.write(CONTENT[:100])
        assert request.transport is not None
        request.transport.abort()
        return response

    registry.instead[f"GET /v2/team/app/blobs/{blob.digest}"] = half
    with pytest.raises(RegistryProblem, match="broke off") as caught:
        await taken(registries, parsed(registry), blob)
    assert caught.value.cause is Cause.BROKEN_OFF


async def test_a_silent_server_is_not_waited_for(hosts_dir: Path, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = blob.size
        await response.prepare(request)
        await response.write(CONTENT[:100])
        await asyncio.Event().wait()
        return response

    registry.instead[f"GET /v2/team/app/blobs/{blob.digest}"] = silent
    registries = Registries(hosts_dir, deadlines=Deadlines(idle_s=0.05))
    with pytest.raises(RegistryProblem, match="stalled, no byte for") as caught:
        await taken(registries, parsed(registry), blob)
    assert caught.value.cause is Cause.UNREACHABLE
    await registries.close()


async def test_whoever_turns_away_ends_the_transfer(
    registries: Registries, registry: Registry
) -> None:
    blob = registry.keep_blob(CONTENT)
    reference = parsed(registry)
    with pytest.raises(ZeroDivisionError):
        async with registries.blob(reference, blob, 0, None):
            raise ZeroDivisionError
    assert await taken(registries, reference, blob) == (0, CONTENT)


async def test_it_may_be_closed_before_it_is_used_and_used_again(
    registries: Registries, registry: Registry
) -> None:
    await registries.close()
    kept = registry.keep(MANIFEST)
    for _ in range(2):
        assert await registries.resolve(parsed(registry), None) == kept
        await registries.close()
