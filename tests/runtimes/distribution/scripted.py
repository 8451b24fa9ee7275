"""A registry on a port of this process: what it keeps, whom it lets in, and how it misbehaves."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from ring.runtimes.distribution.descriptors import OCI_MANIFEST, Descriptor, digest_of
from tests.store.builders import ManualClock

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from multidict import CIMultiDictProxy

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
REPOSITORY = "team/app"


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    """With its query, as it was asked for."""
    headers: CIMultiDictProxy[str] = field(repr=False)
    body: bytes = b""

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")


@dataclass(slots=True)
class Registry:
    """One server; as `localhost` it is another one to whoever compares names."""

    port: int = 0
    scheme: str = "http"
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """By tag and by digest: media type and content."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    challenge: str | None = None
    """`WWW-Authenticate` to whoever is not `allowed`; None: everybody is."""
    allowed: str = ""
    tokens: Callable[[Asked], web.Response] | None = None
    """The token service at `/token`."""
    instead: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(
        default_factory=dict
    )
    """By `METHOD /path`, without a query: what happens in place of the usual."""
    asked: list[Asked] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def other_host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def lines(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.asked]

    def image(self, version: str = "1", repository: str = REPOSITORY) -> str:
        return f"{self.host}/{repository}:{version}"

    def keep(self, content: bytes, tag: str = "1", media_type: str = OCI_MANIFEST) -> Descriptor:
        """A manifest, under its tag and its digest."""
        digest = digest_of(content)
        self.manifests[tag] = self.manifests[digest] = (media_type, content)
        return Descriptor(media_type, digest, len(content))

    def keep_blob(self, content: bytes) -> Descriptor:
        digest = digest_of(content)
        self.blobs[digest] = content
        return Descriptor(LAYER, digest, len(content))

    def demand_basic(self, username: str, password: str) -> None:
        self.challenge = 'Basic realm="here"'
        self.allowed = basic(username, password)

    def demand_bearer(
        self, token: str, tokens: Callable[[Asked], web.Response], *, realm: str = ""
    ) -> None:
        self.tokens = tokens
        realm = realm or f"{self.url}/token"
        self.challenge = f'Bearer realm="{realm}",service="the registry"'
        self.allowed = f"Bearer {token}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        one = Asked(request.method, request.path_qs, request.headers, body)
        self.asked.append(one)
        if handler := self.instead.get(f"{request.method} {request.path}"):
            return await handler(request)
        if request.path == "/token" and self.tokens is not None:
            return self.tokens(one)
        if self.challenge is not None and one.authorization != self.allowed:
            refusal = errors("UNAUTHORIZED", "authentication required", 401)
            refusal.headers["WWW-Authenticate"] = self.challenge
            return refusal
        return self._kept(request)

    def _kept(self, request: web.Request) -> web.Response:
        kind, _, name = request.path.removeprefix(f"/v2/{REPOSITORY}/").partition("/")
        if kind == "manifests" and name in self.manifests:
            media_type, content = self.manifests[name]
            return manifest(content, media_type)
        if kind == "blobs" and name in self.blobs:
            return _ranged(request, self.blobs[name])
        code = "BLOB_UNKNOWN" if kind == "blobs" else "MANIFEST_UNKNOWN"
        return errors(code, "there is no such thing", 404)


class Ticking(ManualClock):
    """Every look at it takes a minute: so long is every wait."""

    def mono(self) -> float:
        self.advance(60)
        return super().mono()


def basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def manifest(
    content: bytes, media_type: str = OCI_MANIFEST, *, digest: str | None = None
) -> web.Response:
    """digest: what the head says, if it is not the right one; empty: nothing."""
    told = digest_of(content) if digest is None else digest
    headers = {"Docker-Content-Digest": told} if told else {}
    return web.Response(body=content, headers={**headers, "Content-Type": media_type})


def errors(
    code: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return web.Response(status=status, body=body, headers=dict(headers or {}))


def redirect(location: str, status: int = 307) -> web.Response:
    return web.Response(status=status, headers={"Location": location})


def always(
    make: Callable[[], web.Response],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A response is sent once, so each request has one of its own."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return make()

    return handler


def dripping(
    content: bytes, size: int, media_type: str = "application/octet-stream"
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What is no more than the beginning, and then nothing until the other side has enough."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": media_type})
        response.content_length = size
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(content)
            await asyncio.Event().wait()
        return response

    return handler


def _ranged(request: web.Request, content: bytes) -> web.Response:
    begin = request.http_range.start or 0
    if "Range" not in request.headers:
        return web.Response(body=content)
    told = f"bytes {begin}-{len(content) - 1}/{len(content)}"
    return web.Response(status=206, body=content[begin:], headers={"Content-Range": told})


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Registry]:
    registry = Registry(scheme="https" if tls else "http")

    async def handle(request: web.Request) -> web.StreamResponse:
        return await registry.handle(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        registry.port = runner.addresses[0][1]
        yield registry
    finally:
        await runner.cleanup()
