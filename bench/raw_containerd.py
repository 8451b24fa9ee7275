"""A plain client of containerd: what `ctr run --cni` does with it, and no more, one call at a time.

It uses Ring's messages and nothing else of Ring's runtime but the making of a network namespace.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from scripts.lib.engine_http import EngineProblem

from bench.raw_events import RawEvents
from ring.network import netns
from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.api import snapshots_pb2 as snapshots
from ring.runtimes.containerd.api import tasks_pb2 as tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scripts.lib.engine_http import Event

    from ring.runtimes.containerd.methods import Method

Q = TypeVar("Q")
A = TypeVar("A")

NAMESPACE = "ring"
TIMEOUT_S = 60.0
PLUGINS = Path("/usr/lib/cni")
KEPT = {"containerd.io/gc.root": "true"}
"""Or a snapshot may be collected before its container is made; `ctr` holds a lease."""


@dataclass(frozen=True, slots=True)
class Twin:
    """What a container of Ring's consists of, for others like it."""

    container: containers.Container
    spec: dict[str, Any]
    parent: str
    """The snapshot of its image."""
    network: dict[str, Any]
    """The configuration of its network."""


class RawContainerd:
    """Not for use by several threads; one of its own listens to events."""

    def __init__(self, socket: Path, folder: Path) -> None:
        """folder: for the FIFOs of what it starts."""
        self._channel = grpc.insecure_channel(f"unix:{socket}")
        self._folder = folder
        self._metadata = (("containerd-namespace", NAMESPACE),)
        self._numbers = itertools.count(1)
        self._readers: dict[str, list[int]] = {}
        self._networks: dict[str, dict[str, Any]] = {}
        self._events = RawEvents(self._channel, self._metadata)

    def call(self, method: Method[Q, A], request: Q) -> A:
        """Raises EngineProblem."""
        ask = self._channel.unary_unary(
            method.path,
            request_serializer=method.request_type.SerializeToString,  # type: ignore[attr-defined]  # of every message
            response_deserializer=method.answer_type.FromString,  # type: ignore[attr-defined]  # of every message
        )
        try:
            answer: A = ask(request, timeout=TIMEOUT_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise EngineProblem(f"{method.path}: {error.details()}") from error
        return answer

    def ping(self) -> None:
        self.call(methods.VERSION, Empty())

    def container(self, name: str) -> containers.Container:
        return self.call(methods.CONTAINERS_GET, containers.GetContainerRequest(id=name)).container

    def pid(self, name: str) -> int:
        return self.call(methods.TASKS_GET, tasks.GetRequest(container_id=name)).process.pid

    def started_at(self, name: str) -> float:
        """When its shim had it running, in Unix seconds."""
        return self._events.started_at(name, TIMEOUT_S)

    @contextmanager
    def events(self, label: str | None, timeout_s: float) -> Iterator[Iterator[Event]]:
        """Starts and deaths from now on; with a label, of those that have it, and with labels."""
        with self._events.heard(timeout_s) as coming:
            yield coming if label is None else self._labelled(coming, label)

    def twin(self, name: str, network: dict[str, Any], files: Path) -> Twin:
        """Its own files (`/etc/hosts` and the like) are copied to `files`."""
        found = self.container(name)
        spec = json.loads(found.spec.value)
        for mount in spec["mounts"]:
            source = Path(mount["source"])
            if name in source.parts and source.is_file():
                mount["source"] = str(shutil.copy(source, files / source.name))
        asked = snapshots.StatSnapshotRequest(snapshotter=found.snapshotter, key=found.snapshot_key)
        parent = self.call(methods.SNAPSHOTS_STAT, asked).info.parent
        return Twin(found, spec, parent, network)

    def create_and_start(self, twin: Twin) -> str:
        """In the order of `ctr run --cni`."""
        name = f"raw-{os.getpid()}-{next(self._numbers)}"
        kind = twin.container
        spec = copy.deepcopy(twin.spec)
        spec["linux"]["cgroupsPath"] = f"/ring/{name}"
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = str(netns.path_of(name))
        prepare = snapshots.PrepareSnapshotRequest(
            snapshotter=kind.snapshotter, key=name, parent=twin.parent, labels=KEPT
        )
        mounts = self.call(methods.SNAPSHOTS_PREPARE, prepare).mounts
        made = containers.Container(
            id=name,
            image=kind.image,
            runtime=kind.runtime,
            spec=AnyMessage(type_url=kind.spec.type_url, value=json.dumps(spec).encode()),
            snapshotter=kind.snapshotter,
            snapshot_key=name,
        )
        self.call(methods.CONTAINERS_CREATE, containers.CreateContainerRequest(container=made))
        netns.make(name)
        self._networks[name] = twin.network
        self._add(name, twin.network)
        stdout, stderr = self._fifos(name)
        create = tasks.CreateTaskRequest(
            container_id=name,
            rootfs=mounts,
            stdout=stdout,
            stderr=stderr,
            options=kind.runtime.options,
        )
        self.call(methods.TASKS_CREATE, create)
        self.call(methods.TASKS_START, tasks.StartRequest(container_id=name))
        return name

    def remove(self, name: str) -> None:
        kill = tasks.KillRequest(container_id=name, signal=signal.SIGKILL, all=True)
        try:
            self.call(methods.TASKS_KILL, kill)
            self.call(methods.TASKS_WAIT, tasks.WaitRequest(container_id=name))
        except EngineProblem:
            pass  # it has ended already
        self.call(methods.TASKS_DELETE, tasks.DeleteTaskRequest(container_id=name))
        network = self._networks.pop(name)
        for plugin in reversed(network["plugins"]):
            self._run("DEL", name, network, plugin, None)
        netns.remove(name)
        snapshotter = self.container(name).snapshotter
        self.call(
            methods.SNAPSHOTS_REMOVE,
            snapshots.RemoveSnapshotRequest(snapshotter=snapshotter, key=name),
        )
        self.call(methods.CONTAINERS_DELETE, containers.DeleteContainerRequest(id=name))
        for number in self._readers.pop(name):
            os.close(number)
        shutil.rmtree(self._folder / name)

    def _labelled(self, coming: Iterator[Event], label: str) -> Iterator[Event]:
        key, _, value = label.partition("=")
        for event in coming:
            try:
                attributes = dict(self.container(event.container).labels)
            except EngineProblem:
                continue  # gone meanwhile
            if key in attributes and value in ("", attributes[key]):
                yield replace(event, attributes=attributes)

    def _fifos(self, name: str) -> Sequence[str]:
        """Read from, as a client does that shows what comes."""
        folder = self._folder / name
        folder.mkdir()
        paths = [str(folder / stream) for stream in ("stdout", "stderr")]
        for path in paths:
            os.mkfifo(path, 0o600)
        self._readers[name] = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths]
        return paths

    def _add(self, name: str, network: dict[str, Any]) -> None:
        result = None
        for plugin in network["plugins"]:
            result = self._run("ADD", name, network, plugin, result) or result

    @staticmethod
    def _run(
        command: str, name: str, network: dict[str, Any], plugin: dict[str, Any], previous: object
    ) -> object:
        document = {**plugin, "name": network["name"], "cniVersion": network["cniVersion"]}
        if previous is not None:
            document["prevResult"] = previous
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": name,
            "CNI_NETNS": str(netns.path_of(name)),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(PLUGINS),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        ended = subprocess.run(
            [PLUGINS / plugin["type"]],
            input=json.dumps(document).encode(),
            capture_output=True,
            env=environment,
            check=False,
        )
        if ended.returncode != 0:
            raise EngineProblem(f"{plugin['type']} {command}: {ended.stdout.decode()}")
        return json.loads(ended.stdout) if ended.stdout.strip() else None
