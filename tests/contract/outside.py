"""What a test does to an engine behind the runtime's back, for each kind of engine."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import quote, urlencode

import aiohttp
import pytest

from ring.clock import parse_rfc3339
from ring.core.model.ids import InstanceId
from ring.runtimes import docker, podman
from ring.runtimes.base import Executed
from ring.runtimes.docker.dialect import DOCKER
from ring.runtimes.docker.stock import full_id
from ring.runtimes.fake import FakeEngine, FakeStock, StockedRuntime
from ring.runtimes.podman.dialect import PODMAN
from tests.contract.statistics import Told

if TYPE_CHECKING:
    import signal
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ring.core.model.logs import Stream
    from ring.network.pools import Pools
    from ring.runtimes.base import Runtime

NAME_SERVER = "aardvark-dns"
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

    async def listens(self, instance_id: InstanceId, number: signal.Signals) -> None:
        """Returns once the program handles the signal: one that is sent before that is lost."""
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

    async def copies(self, instance_id: InstanceId, name: str) -> InstanceId:
        """Somebody commits an image of it, and runs another one of that under this name."""
        ...

    async def removes_network(self, namespace: str) -> None:
        """Somebody takes every instance off the namespace's network and removes it."""
        ...

    async def detaches(self, instance_id: InstanceId, namespace: str) -> None:
        """Somebody takes one instance off it."""
        ...

    endless: tuple[str, ...]
    """A command that goes on for long."""
    endless_processes: int
    """How many it is, once it has begun them all."""
    echoing: tuple[str, ...]
    """A command that writes what it reads, until that ends."""
    missing: tuple[str, ...]
    """A command that is not in the image."""
    tells_stops: bool
    """A stop is told as the signal that it begins with."""
    renames_instances: bool
    """Somebody may: see `renames`."""

    def command(self, code: int, output: str) -> tuple[str, ...]:
        """A command that writes this and ends with this."""
        ...

    async def commands(self, instance_id: InstanceId) -> int:
        """How many processes of `endless` commands run in it."""
        ...

    async def clean(self, namespace: str) -> None: ...

    async def close(self) -> None: ...


class FakeOutside:
    image = "ring-test/busybox:1"
    endless: tuple[str, ...] = ("endless",)
    endless_processes = 1
    echoing: tuple[str, ...] = ("cat",)
    missing: tuple[str, ...] = ("missing",)
    tells_stops = True
    renames_instances = True

    def __init__(self) -> None:
        self.engine = FakeEngine(images={self.image: "sha256:" + "a" * 64}, on_exec=self._execute)
        stock = FakeStock()
        stock.bring(self.image, self.engine.images[self.image])
        self.runtime: Runtime = StockedRuntime(self.engine, stock)

    def away(self) -> Runtime:
        return StockedRuntime(FakeEngine(away=True))

    async def listens(self, instance_id: InstanceId, number: signal.Signals) -> None:
        """Its programs do from the start."""

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

    async def copies(self, instance_id: InstanceId, name: str) -> InstanceId:
        return self.engine.copy_by_hand(instance_id, name)

    async def removes_network(self, namespace: str) -> None:
        self.engine.remove_network_by_hand(f"ring_{namespace}")

    async def detaches(self, instance_id: InstanceId, namespace: str) -> None:
        self.engine.detach_by_hand(instance_id)

    def command(self, code: int, output: str) -> tuple[str, ...]:
        return ("write", output, str(code))

    def _execute(self, _: InstanceId, argv: Sequence[str]) -> Executed | None:
        match tuple(argv):
            case ("write", output, code):
                return Executed(int(code), output)
            case ("missing",):
                return Executed(127)
        return None

    async def commands(self, instance_id: InstanceId) -> int:
        return len(self.engine.executing.get(instance_id, ()))

    async def clean(self, namespace: str) -> None:
        self.engine.containers.clear()

    async def close(self) -> None:
        await self.runtime.close()


class DockerOutside:
    """Speaks to the engine by itself: what the adapter says is not taken for granted."""

    endless: tuple[str, ...] = (
        "sh",
        "-c",
        "sleep 1001 & (sleep 1002 &); env -i setsid sleep 1003 & env -i sleep 1004",
    )
    endless_processes = 4
    echoing: tuple[str, ...] = ("cat",)
    missing: tuple[str, ...] = ("/no/such/command",)
    dialect = DOCKER
    tells_stops = True
    renames_instances = True
    tells_signals = True
    """Of a kill by somebody else, which signal it was."""
    tells_kills = True
    labels_hide_codes = True
    serves_ipv6 = True
    """A published port also over IPv6, where the instance has no such address."""
    tells_remote_digests = True
    """Those of images that it has not pulled."""
    compares_by_head = True
    """A pull asks a registry for no more than the digest of what is here already."""
    tells_as_asked = True
    """Of a container, its options as they were asked for, and not what becomes of them."""
    tells_idle_time = True
    """The machine's time in its statistics is all of it, and not only what control groups used."""
    images_folder = "image"
    """In its data directory."""
    least_grace_s = 1.0
    most_label_bytes = 1 << 20
    inits = frozenset({"docker-init", "tini", "catatonit", "podman-init"})
    anonymous_memory_since: int | None = None
    """The first version of whose statistics the memory is known to be without any file pages, and
    without what the kernel itself holds; None: all that is charged."""

    def __init__(self, host: str, image: str) -> None:
        self.host = host
        self.image = image
        self.runtime: Runtime = self.opened(host)
        self._images: list[str] = []
        """Committed here."""
        scheme, _, rest = host.partition("://")
        self._session = aiohttp.ClientSession(
            "http://engine" if scheme == "unix" else f"http://{rest}",
            connector=aiohttp.UnixConnector(rest) if scheme == "unix" else None,
        )

    def opened(self, host: str) -> Runtime:
        return docker.open_runtime({"host": host})

    def with_pools(self, pools: Pools) -> Runtime:
        return docker.open_runtime({"host": self.host, "pools": pools})

    def away(self) -> Runtime:
        return self.opened("unix:///nonexistent/engine.sock")

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

    async def tells_anonymous_memory(self) -> bool:
        """In its statistics."""
        if self.anonymous_memory_since is None:
            return False
        version = str((await self.told("/version"))["Version"])
        return int(version.partition(".")[0]) >= self.anonymous_memory_since

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

    async def kills(self, instance_id: InstanceId) -> None:
        await self._done(f"/containers/{instance_id}/kill", {"signal": "SIGKILL"})

    async def removes(self, instance_id: InstanceId) -> None:
        status, text = await self.ask("DELETE", f"/containers/{instance_id}", {"force": "1"})
        assert status == 204, text

    async def makes_foreign(self, name: str, labels: Mapping[str, str]) -> None:
        order = {"Image": self.image, "Labels": dict(labels)}
        await self._done("/containers/create", {"name": name}, order)

    async def inspected(self, instance_id: str) -> Any:
        return await self.told(f"/containers/{instance_id}/json")

    async def labels(self, instance_id: InstanceId) -> Mapping[str, str]:
        found: dict[str, str] = (await self.inspected(instance_id))["Config"]["Labels"]
        return found

    async def restarts(self, instance_id: InstanceId) -> bool:
        policy = (await self.inspected(instance_id))["HostConfig"]["RestartPolicy"]
        return policy not in [{"Name": name, "MaximumRetryCount": 0} for name in ("", "no")]

    async def argv(self, instance_id: InstanceId) -> Sequence[str]:
        config = (await self.inspected(instance_id))["Config"]
        return [*(config["Entrypoint"] or ()), *(config["Cmd"] or ())]

    async def image_id(self, instance_id: InstanceId) -> str:
        return full_id(str((await self.inspected(instance_id))["Image"]))

    async def _range(self, namespace: str) -> Any:
        network: Any = await self.told(f"/networks/ring_{namespace}")
        return network["IPAM"]["Config"][0]

    async def gateway(self, namespace: str) -> str:
        return str((await self._range(namespace))["Gateway"])

    async def subnet(self, namespace: str) -> str:
        return str((await self._range(namespace))["Subnet"])

    async def makes_volume(self, name: str) -> None:
        await self._done("/volumes/create", body={"Name": name})

    async def has_volume(self, name: str) -> bool:
        return (await self.ask("GET", f"/volumes/{name}"))[0] == 200

    async def volume_labels(self, name: str) -> Mapping[str, str] | None:
        told: Any = await self.told(f"/volumes/{name}")
        found: dict[str, str] | None = told["Labels"]
        return found

    async def removes_volume(self, name: str) -> None:
        status, text = await self.ask("DELETE", f"/volumes/{name}")
        assert status == 204, text

    async def with_volume(self, image: str, path: str) -> None:
        await self._commit(image, f"VOLUME {path}")

    async def _commit(self, image: str, change: str) -> None:
        """An image as `self.image`, but for one line of what it is built by."""
        status, text = await self.ask("POST", "/containers/create", body={"Image": self.image})
        assert status == 201, text
        container = json.loads(text)["Id"]
        repository, _, tag = image.rpartition(":")
        query = {"container": container, "repo": repository, "tag": tag, "changes": change}
        await self._done("/commit", query, {})
        await self.ask("DELETE", f"/containers/{container}")

    async def pushes(self, image: str, content: str) -> None:
        repository, _, tag = image.rpartition(":")
        await self._commit(image, f"LABEL content={content} of={repository}")
        nobody = base64.urlsafe_b64encode(b"{}").decode()
        status, text = await self.ask(
            "POST", f"/images/{repository}/push", {"tag": tag}, headers={"X-Registry-Auth": nobody}
        )
        assert status == 200, text
        assert '"error"' not in text, text
        await self.forgets(repository)

    async def forgets(self, repository: str) -> None:
        query = {"all": "1", "filters": json.dumps({"reference": [repository]})}
        images: list[dict[str, object]] = []

        async def are_listed() -> bool:
            # Podman lists none at all while somebody removes another one.
            status, text = await self.ask("GET", "/images/json", query)
            assert status == 200 or "image not known" in text, text
            images[:] = json.loads(text) if status == 200 else []
            return status == 200

        await eventually(are_listed)
        for image in images:
            await self.removes_image(str(image["Id"]))

    async def has_image(self, reference: str) -> bool:
        return (await self.ask("GET", f"/images/{reference}/json"))[0] == 200

    async def tags(self, image: str, name: str) -> None:
        repository, _, tag = name.rpartition(":")
        await self._done(f"/images/{image}/tag", {"repo": repository, "tag": tag})

    async def removes_image(self, image_id: str) -> None:
        await self.ask("DELETE", f"/images/{image_id}", {"force": "1"})

    async def statistics(self, instance_id: InstanceId) -> Told:
        answer: Any = await self.told(f"/containers/{instance_id}/stats", {"stream": "false"})
        cpu, memory = answer["cpu_stats"], answer["memory_stats"]
        networks = answer.get("networks", {}).values()
        disk = answer["blkio_stats"]["io_service_bytes_recursive"] or []
        return Told(
            cpu_ns=cpu["cpu_usage"]["total_usage"],
            passed_ns=(
                cpu["system_cpu_usage"] / cpu["online_cpus"]
                if self.tells_idle_time
                else parse_rfc3339(answer["read"]).timestamp() * 1e9
            ),
            memory_bytes=memory["usage"],
            limit_bytes=memory["limit"],
            rx_bytes=sum(one["rx_bytes"] for one in networks),
            tx_bytes=sum(one["tx_bytes"] for one in networks),
            rx_packets=sum(one["rx_packets"] for one in networks),
            tx_packets=sum(one["tx_packets"] for one in networks),
            read_bytes=sum(one["value"] for one in disk if one["op"].lower() == "read"),
            written_bytes=sum(one["value"] for one in disk if one["op"].lower() == "write"),
            pids=answer["pids_stats"]["current"],
        )

    async def pids_limit(self, instance_id: InstanceId) -> int:
        return (await self.inspected(instance_id))["HostConfig"]["PidsLimit"] or 0

    async def upper(self, instance_id: InstanceId) -> Path:
        return Path((await self.inspected(instance_id))["GraphDriver"]["Data"]["UpperDir"])

    async def joins(self, instance_ids: Sequence[InstanceId], namespace: str) -> None:
        await self.runtime.ensure_network(namespace)
        for one in instance_ids:
            await self._done(f"/networks/ring_{namespace}/connect", body={"Container": one})

    async def leaves(self, instance_ids: Sequence[InstanceId], namespace: str) -> None:
        for one in instance_ids:
            await self.detaches(one, namespace)
        await self.clean(namespace)

    async def addresses(self, instance_id: InstanceId) -> Sequence[str]:
        networks = (await self.inspected(instance_id))["NetworkSettings"]["Networks"]
        return [str(one["IPAddress"]) for one in networks.values()]

    async def listens(self, instance_id: InstanceId, number: signal.Signals) -> None:
        told: Any = await self.told(f"/containers/{instance_id}/json")
        argv = [told["Path"], *told["Args"]]

        async def is_heard() -> bool:
            return has_handler(told["State"]["Pid"], argv, number)

        await eventually(is_heard, 30)

    async def ends(self, instance_id: InstanceId, code: int) -> None:
        await self.run(instance_id, "sh", "-c", f"echo {code} >/code; kill -USR1 1")

    async def writes(self, instance_id: InstanceId, text: str, stream: Stream = "stdout") -> None:
        target = f"/proc/1/fd/{1 if stream == 'stdout' else 2}"
        escaped = text.encode("unicode_escape").decode()
        code, said = await self.run(instance_id, "sh", "-c", f"printf '{escaped}' >{target}")
        assert code == 0, said

    async def looks(self, instance_id: InstanceId) -> None:
        """Its own health check is made, at the latest now: by itself the engine does it in time."""

    async def pauses(self, instance_id: InstanceId) -> None:
        await self._done(f"/containers/{instance_id}/pause")

    async def unpauses(self, instance_id: InstanceId) -> None:
        await self._done(f"/containers/{instance_id}/unpause")

    async def renames(self, instance_id: InstanceId, name: str) -> None:
        await self._done(f"/containers/{instance_id}/rename", {"name": name})

    async def copies(self, instance_id: InstanceId, name: str) -> InstanceId:
        status, text = await self.ask(
            "POST", "/commit", {"container": instance_id, "repo": name}, {}
        )
        assert status == 201, text
        self._images.append(f"{name}:latest")
        order = {"Image": f"{name}:latest", "HostConfig": {"NetworkMode": "none"}}
        status, text = await self.ask("POST", "/containers/create", {"name": name}, order)
        assert status == 201, text
        copy = InstanceId(json.loads(text)["Id"])
        await self._done(f"/containers/{copy}/start")
        return copy

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

    def command(self, code: int, output: str) -> tuple[str, ...]:
        return ("sh", "-c", 'printf %s "$0"; exit "$1"', output, str(code))

    async def commands(self, instance_id: InstanceId) -> int:
        told = await self.told(f"/containers/{instance_id}/top", {"ps_args": "-eo pid,args"})
        processes = told["Processes"]
        assert isinstance(processes, list)
        return sum(command.startswith("sleep 100") for _, command in processes)

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
        for image in self._images:
            await self.ask("DELETE", f"/images/{image}", {"force": "1"})
        for network in await self.listed("/networks", {"name": [f"^ring_{namespace}$"]}):
            await self.ask("DELETE", f"/networks/{network['Id']}")
        for volume in await self.listed("/volumes", label):
            await self.ask("DELETE", f"/volumes/{volume['Name']}")


class PodmanOutside(DockerOutside):
    """The same API, at Podman's socket."""

    dialect = PODMAN
    tells_stops = False
    tells_signals = False
    serves_ipv6 = False
    tells_remote_digests = False
    compares_by_head = False
    tells_as_asked = False
    tells_idle_time = False
    images_folder = "overlay-images"
    anonymous_memory_since = 5

    def opened(self, host: str) -> Runtime:
        return podman.open_runtime({"host": host})

    async def bridge_address(self, instance_id: InstanceId) -> str:
        """The hardware address of the bridge that it is plugged into."""
        told: Any = await self.told(f"/containers/{instance_id}/json")
        (network,) = told["NetworkSettings"]["Networks"]
        bridge = (await self.told(f"/v4.0.0/libpod/networks/{network}/json"))["network_interface"]
        inside = await self.among_bridges(told["State"]["Pid"])
        (link,) = json.loads(await printed(*inside, "ip", "-json", "link", "show", str(bridge)))
        return str(link["address"])

    async def among_bridges(self, pid: int) -> tuple[str, ...]:
        """What a command begins with that runs in the network of this process's bridge."""
        return ()

    async def looks(self, instance_id: InstanceId) -> None:
        """It has timers of systemd do it, which is not here."""
        await self.told(f"/v4.0.0/libpod/containers/{instance_id}/healthcheck")

    async def commands(self, instance_id: InstanceId) -> int:
        """Its `top` runs everything of a line together."""
        code, output = await self.run(instance_id, "ps", "-o", "args")
        assert code == 0, output
        return sum(line.startswith("sleep 100") for line in output.splitlines())


def has_handler(pid: int, argv: Sequence[str], number: signal.Signals) -> bool:
    """As the kernel tells of a process: the first signal is the lowest bit.

    An engine says that it has started what still is its own starter, which handles every signal.
    """
    process = Path(f"/proc/{pid}")
    if process.joinpath("cmdline").read_text().split("\0")[:-1] != argv:
        return False
    status = process.joinpath("status").read_text()  # in this order: it is the program's
    handled = status.partition("\nSigCgt:")[2].partition("\n")[0]
    return bool(int(handled, 16) >> (number - 1) & 1)


class RootlessOutside(PodmanOutside):
    """Of a user, whose bridges are in a network of their own, together with what tells names."""

    async def among_bridges(self, pid: int) -> tuple[str, ...]:
        told = await printed("pgrep", "--exact", "--ns", str(pid), "--nslist", "user", NAME_SERVER)
        return ("nsenter", "--target", told.strip(), "--net")


async def printed(*argv: str) -> str:
    return (await put_out(*argv)).decode()


async def put_out(*argv: str) -> bytes:
    """What a command writes, as it is."""
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, argv
    return out


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


def podman_outside() -> PodmanOutside:
    host = required("RING_TEST_PODMAN_HOST", "a Podman service")
    return PodmanOutside(host, os.environ.get("RING_TEST_IMAGE", "ring-test/busybox:1"))


def rootless_outside() -> PodmanOutside:
    host = required("RING_TEST_ROOTLESS_HOST", "a Podman service of a user")
    return RootlessOutside(host, os.environ.get("RING_TEST_IMAGE", "ring-test/busybox:1"))


async def eventually(check: Callable[[], Awaitable[bool]], deadline_s: float = 10.0) -> None:
    """Waits until the check returns true. Raises TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while not await check():  # noqa: ASYNC110 - another process's state: nothing signals it
            await asyncio.sleep(0.02)
