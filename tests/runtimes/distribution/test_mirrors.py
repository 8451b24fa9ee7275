"""Mirrors before a registry, registries with and without TLS, and which of them is believed."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ring.runtimes.base import Login
from ring.runtimes.distribution.descriptors import OCI_INDEX
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause
from tests.certificates import Authority
from tests.runtimes.distribution.scripted import Registry, always, basic, errors, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.runtimes.distribution.client import Registries

pytestmark = pytest.mark.anyio

LOGIN = Login("127.0.0.1", "ada", "geheim", "config")
MANIFEST = b'{"schemaVersion": 2, "manifests": []}'
LAYER = b"a layer"
PATH = "/v2/team/app/manifests/1"


@pytest.fixture
async def mirror() -> AsyncIterator[Registry]:
    async with serving() as one:
        yield one


@pytest.fixture
async def origin() -> AsyncIterator[Registry]:
    async with serving() as one:
        yield one


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certs")


def write(hosts_dir: Path, registry: str, text: str) -> None:
    folder = hosts_dir / registry
    folder.mkdir()
    (folder / "hosts.toml").write_text(text)


def mirrored(hosts_dir: Path, origin: Registry, *mirrors: Registry) -> None:
    hosts = "".join(
        f'[host."{one.url}"]\n[host."{one.url}".header]\nx-own = "s"\n' for one in mirrors
    )
    write(hosts_dir, origin.host, f'server = "{origin.url}"\n{hosts}')


def server_tls(authority: Authority) -> ssl.SSLContext:
    server = authority.issue("server", address="127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert, server.key)
    return context


async def refused(registries: Registries, written: str) -> RegistryProblem:
    with pytest.raises(RegistryProblem) as caught:
        await registries.resolve(references.parse(written), None)
    return caught.value


async def test_a_mirror_is_asked_for_another_name_and_told_no_login(
    registries: Registries, hosts_dir: Path, mirror: Registry, origin: Registry
) -> None:
    mirrored(hosts_dir, origin, mirror)
    reference = references.parse(origin.image())
    kept, blob = mirror.keep(MANIFEST, media_type=OCI_INDEX), mirror.keep_blob(LAYER)
    mirror.demand_bearer("t0ken", lambda _asked: web.json_response({"token": "t0ken"}))
    assert await registries.resolve(reference, LOGIN) == kept
    assert await registries.manifest(reference, kept.digest, LOGIN) == MANIFEST
    async with registries.blob(reference, blob, 2, LOGIN) as found:
        assert b"".join([chunk async for chunk in found.chunks()]) == LAYER[2:]
    assert origin.asked == []
    questions = [one for one in mirror.asked if one.path.startswith("/v2/")]
    assert all(one.path.endswith(f"?ns={origin.host}") for one in questions)
    assert all(one.headers["x-own"] == "s" for one in questions)
    told = {one.authorization for one in mirror.asked}
    assert told == {None, "Bearer t0ken"}


async def test_the_hubs_name_is_told_as_docker_io(
    registries: Registries, hosts_dir: Path, mirror: Registry
) -> None:
    write(hosts_dir, "docker.io", f'[host."{mirror.url}"]')
    kept = mirror.keep(MANIFEST, media_type=OCI_INDEX)
    path = "/v2/library/redis/manifests/latest"
    for method in ("HEAD", "GET"):
        mirror.instead[f"{method} {path}"] = always(
            lambda: web.Response(body=MANIFEST, content_type=OCI_INDEX)
        )
    assert await registries.resolve(references.parse("redis"), None) == kept
    assert mirror.lines[0] == f"HEAD {path}?ns=docker.io"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_what_a_mirror_refuses_the_registry_gives(
    registries: Registries,
    hosts_dir: Path,
    mirror: Registry,
    origin: Registry,
    status: int,
) -> None:
    mirrored(hosts_dir, origin, mirror)
    kept = origin.keep(MANIFEST, media_type=OCI_INDEX)
    origin.demand_basic(LOGIN.username, LOGIN.password)
    for method in ("HEAD", "GET"):
        mirror.instead[f"{method} {PATH}"] = always(lambda: web.Response(status=status))
    assert await registries.resolve(references.parse(origin.image()), LOGIN) == kept
    assert all("x-own" not in one.headers for one in origin.asked)
    assert {one.authorization for one in origin.asked} == {None, basic("ada", "geheim")}
    assert {one.authorization for one in mirror.asked} == {None}


async def test_a_mirror_that_lies_is_passed_over(
    registries: Registries, hosts_dir: Path, mirror: Registry, origin: Registry
) -> None:
    mirrored(hosts_dir, origin, mirror)
    kept = origin.keep(MANIFEST, media_type=OCI_INDEX)
    mirror.manifests[kept.digest] = (kept.media_type, b"{}")
    reference = references.parse(origin.image())
    assert await registries.manifest(reference, kept.digest, None) == MANIFEST


async def test_a_blob_that_a_mirror_lacks_comes_from_the_registry(
    registries: Registries, hosts_dir: Path, mirror: Registry, origin: Registry
) -> None:
    mirrored(hosts_dir, origin, mirror)
    blob = origin.keep_blob(LAYER)
    async with registries.blob(references.parse(origin.image()), blob, 0, None) as found:
        assert b"".join([chunk async for chunk in found.chunks()]) == LAYER
    assert len(mirror.asked) == len(origin.asked) == 1


async def test_a_mirror_that_is_away_is_passed_over(
    registries: Registries,
    hosts_dir: Path,
    origin: Registry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "ring")
    async with serving() as gone:
        pass
    mirrored(hosts_dir, origin, gone)
    kept = origin.keep(MANIFEST, media_type=OCI_INDEX)
    assert await registries.resolve(references.parse(origin.image()), None) == kept
    assert f"mirror {gone.url}/v2 of {origin.host}: {gone.host}: connection refused" in caplog.text


async def test_the_registrys_own_reason_counts(
    registries: Registries, hosts_dir: Path, mirror: Registry, origin: Registry
) -> None:
    async with serving() as gone:
        pass
    mirrored(hosts_dir, origin, gone, mirror)
    origin.instead[f"GET {PATH}"] = always(lambda: errors("DENIED", "not yours", 403))
    problem = await refused(registries, origin.image())
    assert problem.cause is Cause.DENIED
    assert problem.text == (
        f"{gone.host}: connection refused; "
        f"{mirror.host}: manifest unknown: there is no such thing; "
        f"{origin.host}: denied: not yours"
    )


async def test_a_registry_that_is_away_does_not_lack_the_image(
    registries: Registries, hosts_dir: Path, mirror: Registry
) -> None:
    async with serving() as gone:
        pass
    mirrored(hosts_dir, gone, mirror)
    mirror.instead[f"GET {PATH}"] = always(lambda: errors("", "not found", 404))
    problem = await refused(registries, gone.image())
    assert problem.cause is Cause.UNREACHABLE
    assert problem.text == f"{gone.host}: connection refused"


async def test_tls_without_a_certificate_to_believe_is_tried_first_on_this_machine(
    registries: Registries, authority: Authority
) -> None:
    async with serving(server_tls(authority)) as registry:
        kept = registry.keep(MANIFEST, media_type=OCI_INDEX)
        assert await registries.resolve(references.parse(registry.image()), None) == kept
        problem = await refused(registries, registry.image("absent"))
    assert problem.cause is Cause.NOT_FOUND
    assert len(registry.asked) == 3  # what answers over TLS is not asked without


async def test_nobody_there_is_told_once(registries: Registries) -> None:
    async with serving() as gone:
        pass
    for image in (gone.image(), f"{gone.other_host}/team/app:1"):
        problem = await refused(registries, image)
        assert problem.cause is Cause.UNREACHABLE
        assert problem.text == f"{image.partition('/')[0]}: connection refused"


async def test_a_silent_token_service_is_no_reason_to_go_without_tls(
    registries: Registries, authority: Authority
) -> None:
    async with serving() as gone:
        pass
    async with serving(server_tls(authority)) as registry:
        registry.challenge = f'Bearer realm="https://{gone.host}/token"'
        problem = await refused(registries, registry.image())
    assert problem.cause is Cause.UNREACHABLE
    assert problem.text == f"{gone.host}: connection refused"


async def test_over_tls_no_service_in_the_clear_is_told_a_login(
    registries: Registries, authority: Authority, origin: Registry
) -> None:
    async with serving(server_tls(authority)) as registry:
        registry.challenge = f'Bearer realm="{origin.url}/token"'
        with pytest.raises(RegistryProblem, match="is at no address of https"):
            await registries.resolve(references.parse(registry.image()), LOGIN)
    assert origin.asked == []


async def test_over_tls_nothing_leads_into_the_clear(
    registries: Registries, authority: Authority, origin: Registry
) -> None:
    blob = origin.keep_blob(LAYER)
    async with serving(server_tls(authority)) as registry:
        path = f"/v2/team/app/blobs/{blob.digest}"
        registry.instead[f"GET {path}"] = always(
            lambda: web.Response(status=307, headers={"Location": f"{origin.url}{path}"})
        )
        with pytest.raises(RegistryProblem, match="it redirects to no address that may be asked"):
            async with registries.blob(references.parse(registry.image()), blob, 0, None):
                pass
    assert origin.asked == []


async def test_a_certificate_of_a_known_authority_is_believed(
    registries: Registries, hosts_dir: Path, authority: Authority
) -> None:
    async with serving(server_tls(authority)) as registry:
        kept = registry.keep(MANIFEST, media_type=OCI_INDEX)
        write(hosts_dir, registry.host, f'server = "{registry.url}"')
        problem = await refused(registries, registry.image())
        assert problem.cause is Cause.UNREACHABLE
        assert "its certificate is not to be trusted: unable to get local issuer" in problem.text
        file = hosts_dir / registry.host / "hosts.toml"
        file.write_text(f'server = "{registry.url}"\nca = "{authority.ca}"')
        assert await registries.resolve(references.parse(registry.image()), None) == kept


async def test_our_own_certificate_is_shown(
    registries: Registries, hosts_dir: Path, authority: Authority
) -> None:
    client = authority.issue("client")
    async with serving(authority.demanding()) as registry:
        kept = registry.keep(MANIFEST, media_type=OCI_INDEX)
        text = f'server = "{registry.url}"\nca = "{authority.ca}"\n'
        write(hosts_dir, registry.host, text)
        problem = await refused(registries, registry.image())
        assert problem.cause is Cause.UNREACHABLE
        file = hosts_dir / registry.host / "hosts.toml"
        file.write_text(f'{text}client = [["{client.cert}", "{client.key}"]]')
        assert await registries.resolve(references.parse(registry.image()), None) == kept
