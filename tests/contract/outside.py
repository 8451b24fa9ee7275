"""What a test does to an engine behind the runtime's back, for each kind of engine."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, NoReturn, Protocol
from urllib.parse import quote, urlencode

import aiohttp
import pytest

from ring.runtimes.docker import open_runtime
from ring.runtimes.fake import FakeEngine, FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ring.core.model.ids import InstanceId
    from ring.core.model.logs import Stream
    from ring.runtimes.base import Runtime

UNTIL_TOLD = (
    "sh",
    "-c",
    'trap "exit \\$(cat /code)" USR1; trap "exit 143" TERM; while :; do sleep 99 & wait $!; done',
)
"""A program that ends with the code in /code when it is sent USR1."""


class Outside(Protocol):
    """The engine as everybody else sees it."""

    @property
    def runtime(self) -> Runtime: ...

    @property
    def image(self) -> str:
        """Present on the engine; runs UNTIL_TOLD."""
        ...

    def away(self) -> Runtime:
        """A runtime whose engine is not there."""
        ...

    async def ends(self, instance_id: InstanceId, code: int) -> None:
        """The program ends by itself."""
        ...

    async def writes(self, instance_id: InstanceId, text: str, stream: Stream = "stdout") -> None:
        """The program writes this in one piece."""
        ...

    async def networks(self, namespace: str) -> int:
        """How many networks the namespace has."""
        ...

    async def pauses(self, instance_id: InstanceId) -> None:
        """Somebody freezes it."""
        ...

    async def unpauses(self, instance_id: InstanceId) -> None: ...

    async def renames(self, instance_id: InstanceId, name: str) -> None:
        """Somebody gives it another name."""
        ...

    async def removes_network(self, namespace: str) -> None:
        """Somebody takes every instance off the namespace's network and removes it."""
        ...

    async def detaches(self, instance_id: InstanceId, namespace: str) -> None:
        """Somebody takes one instance off it."""
        ...

    async def clean(self, namespace: str) -> None: ...

    async def close(self) -> None: ...


class FakeOutside:
    image = "ring-test/busybox:1"

    def __init__(self) -> None:
        self.engine = FakeEngine(images={self.image: "sha256:" + "a" * 64})
        self.runtime: Runtime = FakeRuntime(self.engine)

    def away(self) -> Runtime:
        return FakeRuntime(FakeEngine(away=True))

    async def ends(self, instance_id: InstanceId, code: int) -> None:
        self.engine.exit(instance_id, code)

    async def writes(self, instance_id: InstanceId, text: str, stream: Stream = "stdout") -> None:
        self.engine.write(instance_id, text, stream)

    async def networks(self, namespace: str) -> int:
        return self.engine.network_creations

    async def pauses(self, instance_id: InstanceId) -> None:
        self.engine.pause_by_hand(instance_id)

    async def unpauses(self, instance_id: InstanceId) -> None:
        self.engine.unpause_by_hand(instance_id)

    async def renames(self, instance_id: InstanceId, name: str) -> None:
        self.engine.rename_by_hand(instance_id, name)

    async def removes_network(self, namespace: str) -> None:
        self.engine.remove_network_by_hand(f"ring_{namespace}")

    async def detaches(self, instance_id: InstanceId, namespace: str) -> None:
        self.engine.detach_by_hand(instance_id)

    async def clean(self, namespace: str) -> None:
        self.engine.containers.clear()

    async def close(self) -> None:
        await self.runtime.close()


class DockerOutside:
    """Speaks to the engine by itself: what the adapter says is not taken for granted."""

    def __init__(self, host: str, image: str) -> None:
        self.host = host
        self.image = image
        self.runtime: Runtime = open_runtime({"host": host})
        scheme, _, rest = host.partition("://")
        self._session = aiohttp.ClientSession(
            "http://engine" if scheme == "unix" else f"http://{rest}",
            connector=aiohttp.UnixConnector(rest) if scheme == "unix" else None,
        )

    def away(self) -> Runtime:
        return open_runtime({"host": "unix:///nonexistent/docker.sock"})

    async def close(self) -> None:
        await self.runtime.close()
        await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and text of one call."""
        target = quote(path, safe="/:@") + (f"?{urlencode(query)}" if query else "")
        async with self._session.request(method, target, json=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def told(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, object]:
        """The object a GET answers with."""
        status, text = await self.ask("GET", path, query)
        assert status == 200, text
        found: dict[str, object] = json.loads(text)
        return found

    async def listed(self, path: str, filters: Mapping[str, list[str]]) -> list[dict[str, object]]:
        status, text = await self.ask("GET", path, {"all": "1", "filters": json.dumps(filters)})
        assert status == 200, text
        answer = json.loads(text)
        found: list[dict[str, object]] = answer["Volumes"] or [] if path == "/volumes" else answer
        return found

    async def run(self, instance_id: str, *argv: str) -> tuple[int, str]:
        """Exit code and output of a command inside the instance."""
        _, text = await self.ask(
            "POST",
            f"/containers/{instance_id}/exec",
            body={"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "Tty": True},
        )
        exec_id = json.loads(text)["Id"]
        _, output = await self.ask(
            "POST", f"/exec/{exec_id}/start", body={"Detach": False, "Tty": True}
        )
        code = (await self.told(f"/exec/{exec_id}/json"))["ExitCode"]
        assert isinstance(code, int)
        return code, output

    async def ends(self, instance_id: InstanceId, code: int) -> None:
        await self.run(instance_id, "sh", "-c", f"echo {code} >/code; kill -USR1 1")

    async def writes(self, instance_id: InstanceId, text: str, stream: Stream = "stdout") -> None:
        target = f"/proc/1/fd/{1 if stream == 'stdout' else 2}"
        escaped = text.encode("unicode_escape").decode()
        code, said = await self.run(instance_id, "sh", "-c", f"printf '{escaped}' >{target}")
        assert code == 0, said

    async def pauses(self, instance_id: InstanceId) -> None:
        await self._done(f"/containers/{instance_id}/pause")

    async def unpauses(self, instance_id: InstanceId) -> None:
        await self._done(f"/containers/{instance_id}/unpause")

    async def renames(self, instance_id: InstanceId, name: str) -> None:
        await self._done(f"/containers/{instance_id}/rename", {"name": name})

    async def removes_network(self, namespace: str) -> None:
        told = await self.told(f"/networks/ring_{namespace}")
        containers = told["Containers"]
        assert isinstance(containers, dict)
        for container in containers:
            await self.detaches(container, namespace)
        status, text = await self.ask("DELETE", f"/networks/ring_{namespace}")
        assert status == 204, text

    async def detaches(self, instance_id: InstanceId, namespace: str) -> None:
        order = {"Container": instance_id, "Force": True}
        await self._done(f"/networks/ring_{namespace}/disconnect", body=order)

    async def _done(
        self, path: str, query: Mapping[str, str] | None = None, body: object = None
    ) -> None:
        status, text = await self.ask("POST", path, query, body)
        assert 200 <= status < 300, text

    async def networks(self, namespace: str) -> int:
        found = await self.listed("/networks", {"name": [f"^ring_{namespace}$"]})
        return len(found)

    async def clean(self, namespace: str) -> None:
        label = {"label": [f"ring.namespace={namespace}"]}
        for container in await self.listed("/containers/json", label):
            await self.ask("DELETE", f"/containers/{container['Id']}", {"force": "1", "v": "1"})
        for network in await self.listed("/networks", {"name": [f"^ring_{namespace}$"]}):
            await self.ask("DELETE", f"/networks/{network['Id']}")
        for volume in await self.listed("/volumes", label):
            await self.ask("DELETE", f"/volumes/{volume['Name']}")


def required(variable: str, what: str) -> str:
    """What the environment says; without it the test is skipped, or fails where it must run."""
    value = os.environ.get(variable)
    if value:
        return value
    return missing(f"{what} is needed: set {variable} (scripts/engines.py starts one)")


def missing(message: str) -> NoReturn:
    """Skips the test where somebody works by hand; a build must not pass without it."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def docker_outside() -> DockerOutside:
    host = required("RING_TEST_DOCKER_HOST", "a Docker engine")
    return DockerOutside(host, os.environ.get("RING_TEST_IMAGE", "ring-test/busybox:1"))


async def eventually(check: Callable[[], Awaitable[bool]], deadline_s: float = 10.0) -> None:
    """Waits until the check returns true. Raises TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while not await check():  # noqa: ASYNC110 - another process's state: nothing signals it
            await asyncio.sleep(0.02)
