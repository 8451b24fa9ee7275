"""The engine as everybody else sees it: its own API, asked without Ring."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from scripts import engines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CALL_S = 20.0


@dataclass(frozen=True, slots=True)
class Container:
    """One line of the engine's list."""

    id: str
    name: str
    state: str
    labels: Mapping[str, str]
    image_id: str

    @property
    def deployment_id(self) -> str:
        return self.labels["ring_deployment"]


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of the engine."""

    kind: str
    id: str
    name: str
    at: float
    """Seconds of the epoch, by the engine's clock."""
    deployment_id: str
    instance: str = ""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=CALL_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Watch:
    """The engine's events as they come: of those that are over it keeps the last 256 alone."""

    def __init__(self, connection: _UnixConnection, namespace: str) -> None:
        filters = json.dumps({"type": ["container"], "label": [f"ring.namespace={namespace}"]})
        connection.timeout = None
        connection.request("GET", f"/events?{urlencode({'filters': filters})}")
        self._answer = connection.getresponse()
        self._connection = connection
        self._noted: list[Happening] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._answer:
            told = json.loads(line)
            actor = told["Actor"]
            labels = actor["Attributes"]
            happening = Happening(
                told["Action"],
                actor["ID"],
                labels["ring.name"],
                told["timeNano"] / 1e9,
                labels["ring_deployment"],
                labels["ring.instance"],
            )
            # Podman (seen with 4.3) now and then tells again what it has told before.
            if happening not in self._noted:
                self._noted.append(happening)

    def noted(self, kind: str, name: str = "web") -> list[Happening]:
        """Oldest first."""
        return [one for one in self.all() if (one.kind, one.name) == (kind, name)]

    def all(self) -> list[Happening]:
        """Oldest first."""
        return list(self._noted)

    def close(self) -> None:
        self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._connection.close()


class Docker:
    """A connection for each call: threads may share it."""

    tells_layer_sizes = True
    """While it pulls."""
    tells_removals = True
    """Before the kill that a forced one begins with; else that is a crash like any other."""
    digests_of_variants = False
    """What it makes of another image has a digest, and not an id alone."""
    no_command = "[Nn]o command specified"
    """How it refuses an image that names no program, as a pattern: releases say it differently."""

    def __init__(self, host: str) -> None:
        scheme, _, path = host.partition("://")
        assert scheme == "unix", "these tests need an engine on a Unix socket"
        self.host = host
        self._path = path

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> tuple[int, bytes]:
        """Status and content of one call."""
        target = quote(path, safe="/:@") + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if content else {}
        with closing(_UnixConnection(self._path)) as connection:
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def told(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Any:
        """The JSON of a call that must succeed."""
        status, content = self.ask(method, path, query, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {content.decode()}"
        return json.loads(content) if content.strip() else None

    # containers
    def containers(self, namespace: str, name: str | None = None) -> list[Container]:
        """All of the namespace, also those that ended; oldest first."""
        labels = [f"ring.namespace={namespace}"] + ([f"ring.name={name}"] if name else [])
        return self.labelled(*labels)

    def labelled(self, *labels: str) -> list[Container]:
        query = {"all": "1", "filters": json.dumps({"label": list(labels)})}
        listed = self.told("GET", "/containers/json", query)
        return [
            Container(
                one["Id"],
                one["Names"][0].removeprefix("/"),
                one["State"],
                one["Labels"],
                _full(one["ImageID"]),
            )
            for one in sorted(listed, key=lambda one: one["Created"])
        ]

    def running(self, namespace: str, name: str | None = None) -> list[Container]:
        return [one for one in self.containers(namespace, name) if one.state == "running"]

    def inspect(self, container_id: str) -> Any:
        return self.told("GET", f"/containers/{container_id}/json")

    def made(self, container_id: str) -> str:
        """When it was."""
        return str(self.inspect(container_id)["Created"])

    def started(self, container_id: str) -> str:
        """When it was started last."""
        return str(self.inspect(container_id)["State"]["StartedAt"])

    def address(self, container_id: str, namespace: str) -> str:
        networks = self.inspect(container_id)["NetworkSettings"]["Networks"]
        return str(networks[f"ring_{namespace}"]["IPAddress"])

    def pid(self, container_id: str) -> int:
        """Of its first process, on the host."""
        pid = int(self.inspect(container_id)["State"]["Pid"])
        assert pid > 0, f"{container_id[:12]} has ended; a signal to 0 would reach these tests"
        return pid

    def create(
        self, image: str, command: Sequence[str], labels: Mapping[str, str], name: str = ""
    ) -> str:
        """A container that nobody asked Ring for; its id. Without a name the engine gives one."""
        body = {
            "Image": image,
            "Cmd": list(command),
            "Labels": dict(labels),
            "HostConfig": {"NetworkMode": "none"},
        }
        query = {"name": name} if name else None
        return str(self.told("POST", "/containers/create", query, body)["Id"])

    def commit(self, container_id: str, image: str) -> None:
        """`docker commit`: an image of a container, with its labels."""
        self.told("POST", "/commit", {"container": container_id, "repo": image}, {})

    def is_running(self, container_id: str) -> bool:
        return self.inspect(container_id)["State"]["Running"] is True

    def is_on_host_network(self, container_id: str) -> bool:
        """And on no other."""
        seen = self.inspect(container_id)
        # Docker counts the host's own among them, Podman does not.
        networks = {*seen["NetworkSettings"]["Networks"]} - {"host"}
        return seen["HostConfig"]["NetworkMode"] == "host" and not networks

    def start(self, container_id: str) -> None:
        self.told("POST", f"/containers/{container_id}/start")

    def stop(self, container_id: str) -> None:
        self.told("POST", f"/containers/{container_id}/stop")

    def remove(self, container_id: str, *, volumes: bool = True) -> None:
        """`docker rm -f -v`; one that is gone already is fine."""
        self.ask("DELETE", f"/containers/{container_id}", {"force": "1", "v": f"{volumes:d}"})

    def pause(self, container_id: str) -> None:
        self.told("POST", f"/containers/{container_id}/pause")

    def unpause(self, container_id: str) -> None:
        self.told("POST", f"/containers/{container_id}/unpause")

    def disconnect(self, container_id: str, namespace: str) -> None:
        """From the namespace's network."""
        order = {"Container": container_id, "Force": True}
        status, said = self.ask("POST", f"/networks/ring_{namespace}/disconnect", body=order)
        assert status == 200, said  # Podman says so in no JSON

    def remove_network(self, namespace: str) -> None:
        """Nothing is on it any more."""
        self.told("DELETE", f"/networks/ring_{namespace}")

    def run(self, container_id: str, *argv: str, user: str = "") -> tuple[int, str]:
        """Exit code and output of a command inside a container, as the image's user by default."""
        order = {
            "Cmd": list(argv),
            "User": user,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": True,
        }
        made = self.told("POST", f"/containers/{container_id}/exec", body=order)["Id"]
        _, output = self.ask("POST", f"/exec/{made}/start", body={"Detach": False, "Tty": True})
        code = self.told("GET", f"/exec/{made}/json")["ExitCode"]
        assert isinstance(code, int)
        return code, output.decode().replace("\r\n", "\n")

    # the rest
    def watch(self, namespace: str) -> Watch:
        """Notes from now on what happens to the namespace's containers."""
        return Watch(_UnixConnection(self._path), namespace)

    def has_network(self, namespace: str) -> bool:
        filters = json.dumps({"name": [f"^ring_{namespace}$"]})
        return bool(self.told("GET", "/networks", {"filters": filters}))

    def volumes(self, namespace: str) -> list[dict[str, Any]]:
        filters = json.dumps({"label": [f"ring.namespace={namespace}"]})
        found: list[dict[str, Any]] = self.told("GET", "/volumes", {"filters": filters})["Volumes"]
        return found or []

    def anonymous_volumes(self, container_id: str) -> set[str]:
        """Their names."""
        mounts = self.inspect(container_id)["Mounts"]
        return {mount["Name"] for mount in mounts if mount["Type"] == "volume"}

    def has_volume(self, name: str) -> bool:
        status, _ = self.ask("GET", f"/volumes/{name}")
        return status == 200

    def remove_volume(self, name: str) -> None:
        self.told("DELETE", f"/volumes/{name}")

    # images
    @property
    def builder(self) -> Docker:
        """Where images are made that go to a registry."""
        return self

    def import_image(self, tag: str, content: bytes, change: str = "") -> str:
        """Tags an image of one layer, from a tar; `change` is a line of a Dockerfile. Its id."""
        return engines.import_image(self.host, tag, content, change)

    def variant(self, image: str, repository: str, mark: str) -> str:
        """Tags a new image `repository:1`, like another but for a label; its id."""
        made = self.create(image, ["true"], {})
        query = {"container": made, "repo": repository, "tag": "1", "changes": f"LABEL mark={mark}"}
        image_id = _full(self.told("POST", "/commit", query, {})["Id"])
        self.remove(made)
        return image_id

    def asking_for_a_volume(self, image: str, name: str, path: str) -> str:
        """Tags a new image `name`, like another but for a volume at the path; its id."""
        made = self.create(image, ["true"], {})
        repository, _, tag = name.partition(":")
        query = {"container": made, "repo": repository, "tag": tag, "changes": f"VOLUME {path}"}
        image_id = str(self.told("POST", "/commit", query, {})["Id"])
        self.remove(made)
        return image_id

    def tag(self, image: str, name: str) -> None:
        """Gives an image another name."""
        repository, _, tag = name.partition(":")
        self.told("POST", f"/images/{image}/tag", {"repo": repository, "tag": tag})

    def push(self, image: str, target: str) -> None:
        """Puts an image into a registry; here it is afterwards as it was before."""
        engines.push(self.host, image, target)
        self.ask("DELETE", f"/images/{target}")

    def pull(self, reference: str) -> None:
        """`docker pull` by somebody else than Ring."""
        repository, _, tag = reference.rpartition(":")
        status, told = self.ask("POST", "/images/create", {"fromImage": repository, "tag": tag})
        assert status == 200, told
        assert b'"error"' not in told, told

    def remove_images(self, ids: Iterable[str]) -> None:
        for one in ids:
            self.ask("DELETE", f"/images/{one}", {"force": "1"})

    def clean(self, namespace: str) -> None:
        """Removes everything that Ring made for the namespace."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.remove, [one.id for one in self.containers(namespace)]))
        self.ask("DELETE", f"/networks/ring_{namespace}")
        for volume in self.volumes(namespace):
            self.ask("DELETE", f"/volumes/{volume['Name']}")


def _full(image_id: str) -> str:
    """Podman leaves out what it is a digest by, in some of its answers."""
    return image_id if ":" in image_id else f"sha256:{image_id}"


class Podman(Docker):
    """The same API, at Podman's socket."""

    tells_layer_sizes = False
    digests_of_variants = True
    no_command = 'no command or entrypoint provided|exec: "": executable file not found'
