"""What a test does to containerd behind the runtime's back, by its own client and the kernel's."""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ring.core.model import labels
from ring.core.model.ids import InstanceId
from ring.runtimes import containerd
from tests.contract.outside import eventually, has_handler, printed, put_out, required
from tests.contract.pictures import Picture, archive, derived, push
from tests.contract.statistics import Told

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence

    from ring.core.model.logs import Stream
    from ring.network.pools import Pools
    from ring.runtimes.base import Runtime

NAMESPACE = "ring"
_NETWORKS = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None)


class ContainerdOutside:
    """One containerd, driven by `ctr`; bridges and interfaces by `ip`."""

    endless: tuple[str, ...] = (
        "sh",
        "-c",
        "sleep 1001 & (sleep 1002 &); env -i setsid sleep 1003 & env -i sleep 1004",
    )
    endless_processes = 4
    echoing: tuple[str, ...] = ("cat",)
    missing: tuple[str, ...] = ("/no/such/command",)
    tells_stops = False
    renames_instances = False
    """An id is for ever."""
    tells_signals = False
    tells_kills = False
    labels_hide_codes = False
    serves_ipv6 = True
    tells_remote_digests = True
    compares_by_head = True
    images_folder = "io.containerd.content.v1.content"
    least_grace_s = 0.0
    most_label_bytes = 4096
    inits = frozenset({".ring-init"})

    def __init__(self, socket: Path, image: str) -> None:
        self.socket = socket
        self.image = image
        self.runtime: Runtime = self.opened(socket)

    def opened(self, socket: Path) -> Runtime:
        return containerd.open_runtime(options(socket))

    def with_pools(self, pools: Pools) -> Runtime:
        return containerd.open_runtime({**options(self.socket), "pools": pools})

    def away(self) -> Runtime:
        return self.opened(Path("/nonexistent/containerd.sock"))

    async def close(self) -> None:
        await self.runtime.close()

    @property
    def _words(self) -> tuple[str, ...]:
        return ("-a", str(self.socket), "-n", NAMESPACE)

    async def ctr(self, *argv: str) -> str:
        """What it prints."""
        return await printed("ctr", *self._words, *argv)

    async def told(self, instance_id: InstanceId) -> dict[str, Any]:
        """The container object, with its spec."""
        found: dict[str, Any] = json.loads(await self.ctr("containers", "info", instance_id))
        return found

    async def run(self, instance_id: InstanceId, *argv: str) -> tuple[int, str]:
        """Exit code and output of a command inside the instance.

        By a file: `ctr` loses the output of what is over before it has begun to read.
        """
        name = f"t{os.urandom(6).hex()}"
        pid = await self.pid(instance_id)
        process = await asyncio.create_subprocess_exec(
            *("ctr", *self._words, "tasks", "exec", "--exec-id", name, instance_id),
            *("sh", "-c", '"$@" >/dev/shm/"$0" 2>&1', name, *argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, _taken(pid, name) or out.decode()

    async def pid(self, instance_id: InstanceId) -> int:
        """Of its first process."""
        for line in (await self.ctr("tasks", "list")).splitlines()[1:]:
            name, pid, *_ = line.split()
            if name == instance_id:
                return int(pid)
        raise AssertionError(f"{instance_id} has no task")

    async def listens(self, instance_id: InstanceId, number: signal.Signals) -> None:
        argv = (await self.told(instance_id))["Spec"]["process"]["args"]
        pid = await self.pid(instance_id)

        async def is_heard() -> bool:
            return has_handler(pid, argv, number)

        await eventually(is_heard, 30)

    async def ends(self, instance_id: InstanceId, code: int) -> None:
        await self.run(instance_id, "sh", "-c", f"echo {code} >/code; kill -USR1 1")

    async def writes(self, instance_id: InstanceId, text: str, stream: Stream = "stdout") -> None:
        target = f"/proc/1/fd/{1 if stream == 'stdout' else 2}"
        escaped = text.encode("unicode_escape").decode()
        code, said = await self.run(instance_id, "sh", "-c", f"printf '{escaped}' >{target}")
        assert code == 0, said

    async def kills(self, instance_id: InstanceId) -> None:
        await self.ctr("tasks", "kill", "--signal", "SIGKILL", instance_id)

    async def removes(self, instance_id: InstanceId) -> None:
        if instance_id in (await self.ctr("tasks", "list", "--quiet")).split():
            await self.ctr("tasks", "delete", "--force", instance_id)
        await self.ctr("containers", "delete", instance_id)

    async def makes_foreign(self, name: str, labels: Mapping[str, str]) -> None:
        marks = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        image = f"docker.io/{self.image}"
        await self.ctr("containers", "create", *marks, image, name, "sleep", "1000")

    async def labels(self, instance_id: InstanceId) -> Mapping[str, str]:
        found: dict[str, str] = (await self.told(instance_id))["Labels"]
        return found

    async def restarts(self, instance_id: InstanceId) -> bool:
        """By its monitor, which goes by labels."""
        return any("restart" in key for key in await self.labels(instance_id))

    async def argv(self, instance_id: InstanceId) -> Sequence[str]:
        found: list[str] = (await self.told(instance_id))["Spec"]["process"]["args"]
        return found

    async def image_id(self, instance_id: InstanceId) -> str:
        return await self._digest(str((await self.told(instance_id))["Image"]))

    def _range(self, namespace: str) -> dict[str, str]:
        """The bridge itself is there once somebody is on it."""
        told = json.loads(conflist(self.socket, namespace).read_bytes())
        found: dict[str, str] = told["plugins"][0]["ipam"]["ranges"][0][0]
        return found

    async def gateway(self, namespace: str) -> str:
        return self._range(namespace)["gateway"]

    async def subnet(self, namespace: str) -> str:
        return self._range(namespace)["subnet"]

    @property
    def _state(self) -> Path:
        return Path(str(options(self.socket)["state_dir"]))

    def _volume(self, name: str) -> Path:
        """`<instance>/<number>`: an anonymous one."""
        return self._state / ("anonymous" if "/" in name else "volumes") / name

    async def makes_volume(self, name: str) -> None:
        self._volume(name).mkdir(parents=True)

    async def has_volume(self, name: str) -> bool:
        return self._volume(name).is_dir()

    async def volume_labels(self, name: str) -> Mapping[str, str] | None:
        path = self._volume(f"{name}.labels.json")
        found: dict[str, str] | None = json.loads(path.read_bytes()) if path.exists() else None
        return found

    async def removes_volume(self, name: str) -> None:
        shutil.rmtree(self._volume(name))

    async def _derived(self, settings: Mapping[str, object]) -> Picture:
        digest = await self._digest(f"docker.io/{self.image}")
        return await derived(digest, self._content, settings)

    async def _content(self, digest: str) -> bytes:
        return await put_out("ctr", *self._words, "content", "get", digest)

    async def with_volume(self, image: str, path: str) -> None:
        await self.with_settings(image, {"Volumes": {path: {}}})

    async def with_settings(self, image: str, settings: Mapping[str, object]) -> None:
        """An image as `self.image`, but for these."""
        picture = await self._derived(settings)
        with tempfile.NamedTemporaryFile() as file:
            file.write(archive(picture, f"docker.io/{image}"))
            file.flush()
            await self.ctr("images", "import", file.name)

    async def pushes(self, image: str, content: str) -> None:
        labels = {"content": content, "of": image.rpartition(":")[0]}
        await push(await self._derived({"Labels": labels}), image)

    async def forgets(self, repository: str) -> None:
        for name in await self._images():
            if name.partition("@")[0].rpartition(":")[0] == repository or (
                name.partition("@")[0] == repository
            ):
                await self.ctr("images", "delete", "--sync", name)

    async def has_image(self, reference: str) -> bool:
        found = await self._images()
        return reference in found or reference in found.values()

    async def tags(self, image: str, name: str) -> None:
        found = await self._images()
        await self.ctr("images", "tag", next(n for n in found if image in (n, found[n])), name)

    async def removes_image(self, image_id: str) -> None:
        for name, digest in (await self._images()).items():
            if image_id in (name, f"docker.io/{image_id}", digest, name.partition("/")[2]):
                await self.ctr("images", "delete", "--sync", name)

    async def _images(self) -> dict[str, str]:
        """The digest of each, by its name."""
        lines = (await self.ctr("images", "list")).splitlines()[1:]
        return {name: digest for name, _, digest, *_ in map(str.split, lines)}

    async def _digest(self, image: str) -> str:
        return (await self._images())[image]

    async def statistics(self, instance_id: InstanceId) -> Told:
        """Its own figures are of control groups alone; those of interfaces are the kernel's."""
        told: Any = json.loads(await self.ctr("tasks", "metrics", "--format", "json", instance_id))
        passed_ns = time.monotonic_ns()
        # Of the control groups of version 1, else of version 2.
        is_old = "total" in told["cpu"].get("usage", {})
        memory = told["memory"]["usage"] if is_old else told["memory"]
        if is_old:
            disk = told["blkio"].get("io_service_bytes_recursive", [])
            disks = [(one["op"], one.get("value", 0)) for one in disk]
        else:
            usage = told["io"].get("usage", [])
            disks = [("Read", one.get("rbytes", 0)) for one in usage]
            disks += [("Write", one.get("wbytes", 0)) for one in usage]
        received, sent = _traffic(await self.pid(instance_id))
        return Told(
            cpu_ns=told["cpu"]["usage"]["total"] if is_old else told["cpu"]["usage_usec"] * 1000,
            passed_ns=passed_ns,
            memory_bytes=memory["usage"],
            limit_bytes=memory["limit" if is_old else "usage_limit"],
            rx_bytes=received[0],
            tx_bytes=sent[0],
            rx_packets=received[1],
            tx_packets=sent[1],
            read_bytes=sum(value for op, value in disks if op == "Read"),
            written_bytes=sum(value for op, value in disks if op == "Write"),
            pids=told["pids"]["current"],
        )

    async def tells_anonymous_memory(self) -> bool:
        return False

    async def pids_limit(self, instance_id: InstanceId) -> int:
        resources = (await self.told(instance_id))["Spec"]["linux"]["resources"]
        return max(0, int(resources.get("pids", {}).get("limit", 0)))

    async def upper(self, instance_id: InstanceId) -> Path:
        told = await self.ctr("snapshots", "mounts", "/nowhere", instance_id)
        return Path(told.partition("upperdir=")[2].partition(",")[0])

    async def joins(self, instance_ids: Sequence[InstanceId], namespace: str) -> None:
        """Two of them, with a cable and no bridge."""
        cable = [f"{namespace[-8:]}{end}" for end in "ab"]
        await printed("ip", "link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for number, (one, end) in enumerate(zip(instance_ids, cable, strict=True), start=1):
            network = f"/run/netns/{one}"
            await printed("nsenter", f"--net={network}", "true")
            await printed("ip", "link", "set", end, "netns", str(await self.pid(one)))
            inside = ("nsenter", f"--net={network}", "ip")
            await printed(*inside, "address", "add", f"198.51.100.{number}/30", "dev", end)
            await printed(*inside, "link", "set", end, "up")

    async def leaves(self, instance_ids: Sequence[InstanceId], namespace: str) -> None:
        """Nothing: the cable goes with the instances."""

    async def addresses(self, instance_id: InstanceId) -> Sequence[str]:
        told = await printed(
            *("nsenter", f"--net=/run/netns/{instance_id}"),
            *("ip", "-json", "-family", "inet", "address", "show", "scope", "global"),
        )
        return [str(one["local"]) for link in json.loads(told) for one in link.get("addr_info", ())]

    async def pauses(self, instance_id: InstanceId) -> None:
        await self.ctr("tasks", "pause", instance_id)

    async def unpauses(self, instance_id: InstanceId) -> None:
        await self.ctr("tasks", "resume", instance_id)

    async def renames(self, instance_id: InstanceId, name: str) -> None:
        raise NotImplementedError

    async def copies(self, instance_id: InstanceId, name: str) -> InstanceId:
        written = (await self.told(instance_id))["Labels"]
        marks = [word for key, value in written.items() for word in ("--label", f"{key}={value}")]
        image = f"docker.io/{self.image}"
        await self.ctr("run", "--detach", "--null-io", *marks, image, name, "sleep", "1000")
        return InstanceId(name)

    async def removes_network(self, namespace: str) -> None:
        for instance_id in await self.of_namespace(namespace):
            if is_network(instance_id):
                await self.detaches(instance_id, namespace)
        if has_interface(bridge(namespace)):
            await printed("ip", "link", "delete", bridge(namespace))
        conflist(self.socket, namespace).unlink()

    async def detaches(self, instance_id: InstanceId, namespace: str) -> None:
        inside = ("nsenter", f"--net=/run/netns/{instance_id}")
        await printed(*inside, "ip", "link", "delete", "eth0")

    async def networks(self, namespace: str) -> int:
        return int(conflist(self.socket, namespace).exists())

    def command(self, code: int, output: str) -> tuple[str, ...]:
        return ("sh", "-c", 'printf %s "$0"; exit "$1"', output, str(code))

    async def commands(self, instance_id: InstanceId) -> int:
        """Its cgroup has all of them."""
        told = (await self.ctr("tasks", "ps", instance_id)).splitlines()[1:]
        return sum(is_endless(int(line.split()[0])) for line in told)

    async def of_namespace(self, namespace: str) -> list[InstanceId]:
        told = await self.ctr(
            "containers", "list", "--quiet", f'labels."{labels.NAMESPACE}"=={namespace}'
        )
        return [InstanceId(line) for line in told.split()]

    async def clean(self, namespace: str) -> None:
        for instance_id in await self.of_namespace(namespace):
            await self.runtime.remove(instance_id)
        await self.runtime.remove_network(f"ring_{namespace}")  # type: ignore[attr-defined]  # a Stock
        for path in self._state.joinpath("volumes").glob("*.labels.json"):
            if _owner(path) == namespace:
                path.unlink()
                await self.removes_volume(path.name.removesuffix(".labels.json"))


def _owner(path: Path) -> str | None:
    """The namespace on a volume's label; None: another test has just removed its own."""
    try:
        found: str | None = json.loads(path.read_bytes()).get(labels.NAMESPACE)
    except FileNotFoundError:
        return None
    return found


def _traffic(pid: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Bytes and packets that came and went, but for what an instance sends to itself."""
    rows = [
        (name.strip(), list(map(int, figures.split())))
        for name, _, figures in (
            line.partition(":")
            for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        )
    ]
    sums = [sum(figures[n] for name, figures in rows if name != "lo") for n in (0, 1, 8, 9)]
    return (sums[0], sums[1]), (sums[2], sums[3])


def socket_in(instance_id: InstanceId, kind: int, protocol: int = 0) -> socket.socket:
    """An IPv4 socket of the instance's network, by a thread that enters it and ends."""

    def made() -> socket.socket:
        with Path(f"/run/netns/{instance_id}").open() as network:
            assert _libc.setns(network.fileno(), _NETWORKS) == 0
        return socket.socket(socket.AF_INET, kind, protocol)

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(made).result()


def has_interface(name: str) -> bool:
    return Path(f"/sys/class/net/{name}").exists()


def _taken(pid: int, name: str) -> str:
    """Empty where the instance has ended by it."""
    file = Path(f"/proc/{pid}/root/dev/shm/{name}")
    try:
        text = file.read_text()
        file.unlink()
    except OSError:
        return ""
    return text


def is_network(instance_id: InstanceId) -> bool:
    return Path(f"/run/netns/{instance_id}").exists()


def is_endless(pid: int) -> bool:
    """One of the processes of `endless`; False for what has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\x00100")
    except OSError:
        return False


def options(socket: Path) -> dict[str, object]:
    """Of a runtime whose files are all beside the engine's, as a server's of this test worker: two
    servers do not share theirs, and each clears up after itself."""
    root, worker = socket.parent, os.environ.get("PYTEST_XDIST_WORKER", "one")
    return {
        "socket": str(socket),
        "cni_conf_dir": str(root / "cni"),
        "state_dir": str(root / "ring" / worker),
        "run_dir": str(root / "ring-run" / worker),
    }


def conflist(socket: Path, namespace: str) -> Path:
    return socket.parent / "cni" / f"99-ring_{namespace}.conflist"


def bridge(namespace: str) -> str:
    return f"rbr-{hashlib.sha256(f'ring_{namespace}'.encode()).hexdigest()[:11]}"


def containerd_outside() -> ContainerdOutside:
    socket = required("RING_TEST_CONTAINERD", "a containerd")
    image = os.environ.get("RING_TEST_IMAGE", "ring-test/busybox:1")
    return ContainerdOutside(Path(socket), image)
