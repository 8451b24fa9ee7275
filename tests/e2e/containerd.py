"""containerd as everybody else sees it: `ctr`, `ip`, and what lies on the host. Without Ring.

Images are made by the Docker engine above it, and handed over.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ring.runtimes import containerd
from scripts import engines
from tests.contract.containerd import bridge, conflist
from tests.e2e.outside import Container, Docker, Happening, Watch
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAMESPACE = engines.CONTAINERD_NAMESPACE
ENDED_S = 20.0
STATES = {"RUNNING": "running", "STOPPED": "exited", "PAUSED": "paused", "CREATED": "created"}
KINDS = {
    "/containers/create": "create",
    "/tasks/start": "start",
    "/tasks/exit": "die",
    "/containers/delete": "destroy",
}
EVENT = re.compile(r"(\S+ \S+) \+0000 UTC (\S+) (\S+) (.*)")


class Containerd(Docker):
    """Speaks no HTTP: what is asked of Docker alone is not asked of it."""

    tells_layer_sizes = True
    tells_removals = False
    digests_of_variants = False

    def __init__(self, socket: Path, builder: Docker, folder: Path) -> None:
        """builder: makes images. folder: where the homes of the test's servers are."""
        super().__init__(f"unix://{socket}")
        self._socket = socket
        self._builder = builder
        self._folder = folder
        self._known: dict[str, Any] = {}
        """Container objects: they never change."""

    @property
    def builder(self) -> Docker:
        return self._builder

    def ask(self, method: str, path: str, *_: object, **__: object) -> tuple[int, bytes]:
        raise AssertionError(f"containerd is asked for {method} {path}")

    def ctr(self, *argv: str) -> str:
        """What it prints. Raises CalledProcessError."""
        return subprocess.run(
            self._command(*argv), check=True, capture_output=True, text=True
        ).stdout

    def _command(self, *argv: str) -> list[str]:
        return ["ctr", "--address", os.fspath(self._socket), "--namespace", NAMESPACE, *argv]

    # containers
    def labelled(self, *labels: str) -> list[Container]:
        wanted = (label.partition("=") for label in labels)
        matches = [f'labels."{key}"=={value}' for key, _, value in wanted]
        ids = self.ctr("containers", "list", "--quiet", ",".join(matches)).split()
        tasks = self._tasks()
        seen = []
        for one in ids:
            with suppress(subprocess.CalledProcessError):  # it has gone meanwhile
                if one not in self._known:
                    self._known[one] = self.inspect(one)
                seen.append(one)
        return [
            Container(
                one,
                self._known[one]["Labels"].get("ring.instance", one),
                tasks[one][1] if one in tasks else "created",
                self._known[one]["Labels"],
                self._known[one]["Image"].rpartition("@")[2],
            )
            for one in sorted(seen, key=lambda one: str(self._known[one]["CreatedAt"]))
        ]

    def _tasks(self) -> dict[str, tuple[int, str]]:
        """Process id and state, by container."""
        lines = (line.split() for line in self.ctr("tasks", "list").splitlines()[1:])
        return {one: (int(pid), STATES.get(state, state)) for one, pid, state in lines}

    def inspect(self, container_id: str) -> Any:
        """The container object, with its spec."""
        return json.loads(self.ctr("containers", "info", container_id))

    def made(self, container_id: str) -> str:
        return str(self.inspect(container_id)["CreatedAt"])

    def is_running(self, container_id: str) -> bool:
        return self._tasks().get(container_id, (0, ""))[1] == "running"

    def address(self, container_id: str, namespace: str) -> str:
        told = subprocess.run(
            [
                "nsenter",
                f"--net=/run/netns/{container_id}",
                "ip",
                "-j",
                "-4",
                "addr",
                "show",
                "eth0",
            ],
            check=True,
            capture_output=True,
        )
        (interface,) = json.loads(told.stdout)
        return str(interface["addr_info"][0]["local"])

    def pid(self, container_id: str) -> int:
        pid, state = self._tasks()[container_id]
        assert state != "exited", f"{container_id} has ended; its process id may be another's"
        return pid

    def create(
        self, image: str, command: Sequence[str], labels: Mapping[str, str], name: str = ""
    ) -> str:
        made = name or f"s{uuid.uuid4().hex[:12]}"
        marks = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        self.ctr("containers", "create", *marks, "--", f"docker.io/{image}", made, *command)
        return made

    def is_on_host_network(self, container_id: str) -> bool:
        namespaces = self.inspect(container_id)["Spec"]["linux"]["namespaces"]
        return "network" not in {one["type"] for one in namespaces}

    def start(self, container_id: str) -> None:
        self.ctr("tasks", "start", "--detach", "--null-io", container_id)

    def stop(self, container_id: str) -> None:
        self.ctr("tasks", "kill", "--signal", "SIGTERM", container_id)
        wait_until(lambda: not self.is_running(container_id), ENDED_S, "it has ended")

    def remove(self, container_id: str, *, volumes: bool = True) -> None:
        for argv in (("tasks", "rm", "--force"), ("containers", "rm")):
            with suppress(subprocess.CalledProcessError):
                self.ctr(*argv, container_id)

    def pause(self, container_id: str) -> None:
        self.ctr("tasks", "pause", container_id)

    def unpause(self, container_id: str) -> None:
        self.ctr("tasks", "resume", container_id)

    def disconnect(self, container_id: str, namespace: str) -> None:
        inside = ("nsenter", f"--net=/run/netns/{container_id}")
        subprocess.run([*inside, "ip", "link", "delete", "eth0"], check=True)

    def remove_network(self, namespace: str) -> None:
        subprocess.run(["ip", "link", "delete", bridge(namespace)], check=True)
        conflist(self._socket, namespace).unlink()

    def run(self, container_id: str, *argv: str, user: str = "") -> tuple[int, str]:
        """Exit code and output of a command inside a container, as the image's user by default."""
        asked = ("--user", user) if user else ()
        name = f"t{uuid.uuid4().hex[:12]}"
        # By the shim: on a busy machine ctr loses what a command writes that soon ends. And by one
        # stream: at the end of the first the shim closes the file, whatever is left of the other.
        argv = ("sh", "-c", 'exec "$@" 2>&1', "sh", *argv)
        written = self._folder / name
        options = ("--exec-id", name, "--log-uri", f"file://{written}", *asked)
        ended = subprocess.run(
            self._command("tasks", "exec", *options, container_id, *argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        output = written.read_text() if written.exists() else ended.stdout
        written.unlink(missing_ok=True)
        return ended.returncode, output

    # the rest
    def watch(self, namespace: str) -> Watch:
        return ContainerdWatch(self, namespace)

    def has_network(self, namespace: str) -> bool:
        return conflist(self._socket, namespace).exists()

    def volumes(self, namespace: str) -> list[dict[str, Any]]:
        marks = ".labels.json"
        found = []
        for path in self._folder.glob(f"ring*/run/volumes/*{marks}"):
            labels = json.loads(path.read_text())
            if labels["ring.namespace"] == namespace:
                found.append({"Name": path.name.removesuffix(marks), "Labels": labels})
        return found

    def anonymous_volumes(self, container_id: str) -> set[str]:
        sources = {mount["source"] for mount in self.inspect(container_id)["Spec"]["mounts"]}
        return {one for one in sources if Path(one).match("run/anonymous/*/*")}

    def has_volume(self, name: str) -> bool:
        return Path(name).exists()

    def remove_volume(self, name: str) -> None:
        for folder in self._folder.glob(f"ring*/run/volumes/{name}"):
            shutil.rmtree(folder)
            folder.with_name(f"{name}.labels.json").unlink()

    # images
    def commit(self, container_id: str, image: str) -> None:
        raise NotImplementedError

    def variant(self, image: str, repository: str, mark: str) -> str:
        self._builder.variant(image, repository, mark)
        return self._take(f"{repository}:1")

    def asking_for_a_volume(self, image: str, name: str, path: str) -> str:
        self._builder.asking_for_a_volume(image, name, path)
        return self._take(name)

    def import_image(self, tag: str, content: bytes, change: str = "") -> str:
        self._builder.import_image(tag, content, change)
        return self._take(tag)

    def _take(self, tag: str) -> str:
        """What the builder has under this name is here as well, and no longer there; its digest."""
        self.remove_images([tag])
        engines.load_into_containerd(self._builder.host, self._socket, NAMESPACE, tag)
        self._builder.remove_images([tag])
        return self._images()[f"docker.io/{tag}"]

    def _images(self) -> dict[str, str]:
        lines = (line.split() for line in self.ctr("images", "list").splitlines()[1:])
        return {words[0]: words[2] for words in lines}

    def push(self, image: str, target: str) -> None:
        self._builder.push(image, target)

    def remove_images(self, ids: Iterable[str]) -> None:
        wanted = {one if "sha256:" in one else f"docker.io/{one}" for one in ids}
        gone = [name for name, digest in self._images().items() if wanted & {name, digest}]
        if gone:
            self.ctr("images", "rm", *gone)

    # the end
    def clean(self, namespace: str) -> None:
        """Removes everything that Ring made for the namespace, and what it left running."""
        for home in sorted(self._folder.glob("ring*")):
            asyncio.run(self._clean(namespace, home / "run"))
            end_keepers(home / "run")
        for one in self.containers(namespace):
            self.remove(one.id)

    async def _clean(self, namespace: str, own: Path) -> None:
        """What one server made, with a runtime of its settings: leases of addresses are there."""
        options = {
            "socket": os.fspath(self._socket),
            "cni_conf_dir": os.fspath(self._socket.parent / "cni"),
            "state_dir": os.fspath(own),
            "run_dir": os.fspath(own),
        }
        runtime = containerd.open_runtime(options)
        try:
            for one in self.containers(namespace):
                if (own / "containerd" / one.id).exists():
                    await runtime.remove(one.id)  # type: ignore[arg-type]  # its id
            await runtime.remove_network(f"ring_{namespace}")  # type: ignore[attr-defined]  # a Stock
        finally:
            await runtime.close()


class ContainerdWatch(Watch):
    """By `ctr events`; labels are looked up when a container is made."""

    def __init__(self, engine: Containerd, namespace: str) -> None:
        self._engine = engine
        self._prefix = f"{namespace}_"
        self._noted = []
        self._labels: dict[str, Mapping[str, str]] = {}
        self._process = subprocess.Popen(
            engine._command("events"), stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = EVENT.match(line)
            if found is None or found[2] != NAMESPACE or found[3] not in KINDS:
                continue
            told = json.loads(found[4])
            container_id = told.get("container_id") or told["id"]
            is_own = container_id.startswith(self._prefix)
            if is_own and told.get("id", container_id) == container_id:  # no command's end
                self._note(KINDS[found[3]], container_id, found[1])

    def _note(self, kind: str, container_id: str, moment: str) -> None:
        if container_id not in self._labels:
            with suppress(subprocess.CalledProcessError):  # it has gone already
                self._labels[container_id] = self._engine.inspect(container_id)["Labels"]
        labels = self._labels.get(container_id, {})
        words = [labels.get(key, "") for key in ("ring.name", "ring_deployment", "ring.instance")]
        second, _, fraction = moment.partition(".")
        at = datetime.fromisoformat(second).replace(tzinfo=UTC).timestamp() + float(f"0.{fraction}")
        self._noted.append(Happening(kind, container_id, words[0], at, *words[1:]))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def end_keepers(own: Path) -> None:
    """Of a server's names, ports and logs: they outlive it."""
    for pid in keepers(own):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not keepers(own), ENDED_S, "its keepers have ended")


def keepers(own: Path) -> list[int]:
    """Processes that were started for what is in this folder."""
    folders = {os.fsencode(own / "network"), os.fsencode(own / "containerd")}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folders & {*(process / "cmdline").read_bytes().split(b"\0")}:
                found.append(int(process.name))
    return found
