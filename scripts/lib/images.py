"""The test image, and how any image comes into an engine and from there to a registry."""

# It runs fixed argument lists.
# ruff: noqa: S603

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import json
import platform
import socket
import subprocess
import tarfile
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.lib.engine import EngineProblem
from scripts.lib.packages import busybox

if TYPE_CHECKING:
    from pathlib import Path

TEST_IMAGE = "ring-test/busybox:1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""As images name what the machine calls otherwise."""


def make_image(host: str, tag: str = TEST_IMAGE) -> str:
    """The test image: busybox with every applet, `sh` as its command. Returns its id."""
    found = _request(host, "GET", f"/images/{tag}/json")
    if found.status == 200:
        return str(json.loads(found.body)["Id"])
    return import_image(host, tag, _image_tar(busybox()), 'CMD ["sh"]')


def import_image(host: str, tag: str, content: bytes, change: str = "") -> str:
    """An image of one layer, from a tar; `change` is a line of a Dockerfile. Returns its id."""
    query = {"fromSrc": "-", "repo": tag}
    if change:
        query["changes"] = change
    target = f"/images/create?{urllib.parse.urlencode(query)}"
    _finish_stream(_request(host, "POST", target, content))
    return str(json.loads(_request(host, "GET", f"/images/{tag}/json").body)["Id"])


def push(host: str, image: str, target: str) -> None:
    """Tags a local image as target (`127.0.0.1:5000/name:tag`) and pushes it there."""
    repository, _, version = target.rpartition(":")
    query = urllib.parse.urlencode({"repo": repository, "tag": version})
    tagged = _request(host, "POST", f"/images/{image}/tag?{query}")
    if tagged.status != 201:
        raise EngineProblem(f"cannot tag {image} as {target}: {tagged.body.decode()}")
    _finish_stream(_request(host, "POST", f"/images/{repository}/push?tag={version}"))


def load_into_containerd(host: str, containerd: Path, namespace: str, tag: str) -> None:
    """Hands an image of this Docker to a containerd, unless it has it."""
    argv = ["ctr", "--address", str(containerd), "--namespace", namespace, "images", "list", "-q"]
    listed = subprocess.run(argv, capture_output=True, text=True, check=False)
    if f"docker.io/{tag}" in listed.stdout.split():
        return
    _import(containerd, namespace, _request(host, "GET", f"/images/{tag}/get").body)


def make_in_containerd(
    containerd: Path, namespace: str, tag: str = TEST_IMAGE, layer: bytes | None = None
) -> None:
    """The test image, or one of another layer, where there is no Docker to make it."""
    name = tag if layer else f"docker.io/{tag}"
    _import(containerd, namespace, _archive(layer or _image_tar(busybox()), name))


def _import(containerd: Path, namespace: str, archive: bytes) -> None:
    argv = ["ctr", "--address", str(containerd), "--namespace", namespace, "images", "import", "-"]
    loaded = subprocess.run(argv, input=archive, capture_output=True, check=False)
    if loaded.returncode != 0:
        raise EngineProblem(f"ctr: {loaded.stderr.decode(errors='replace').strip()}")


def _archive(layer: bytes, name: str) -> bytes:
    """An image of one layer, as `docker save` writes it."""
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add_file(tar, "config.json", json.dumps(config).encode(), 0o644)
        _add_file(tar, "layer.tar", layer, 0o644)
        _add_file(tar, "manifest.json", json.dumps(manifest).encode(), 0o644)
    return buffer.getvalue()


def _image_tar(program: Path) -> bytes:
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777}.items():
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        _add_file(tar, "bin/busybox", program.read_bytes(), 0o755)
        _add_file(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add_file(tar, "etc/group", b"root:x:0:\n", 0o644)
        for applet in applets.stdout.split():
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return buffer.getvalue()


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _request(
    host: str, method: str, path: str, body: bytes | None = None, timeout_s: float = 60.0
) -> Answer:
    scheme, _, rest = host.partition("://")
    connection = (
        _UnixConnection(rest, timeout_s)
        if scheme == "unix"
        else http.client.HTTPConnection(rest, timeout=timeout_s)
    )
    headers = {"Content-Type": "application/x-tar", "X-Registry-Auth": _NO_CREDENTIALS}
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read())


_NO_CREDENTIALS = base64.urlsafe_b64encode(b"{}").decode()


def _finish_stream(answer: Answer) -> None:
    """A create or push answers 200 and tells its failure in the stream."""
    if answer.status != 200:
        raise EngineProblem(answer.body.decode(errors="replace"))
    for line in answer.body.splitlines():
        if line.strip() and (problem := json.loads(line).get("error")):
            raise EngineProblem(problem)


def answers_at(host: str, path: str) -> bool:
    try:
        return _request(host, "GET", path, timeout_s=2.0).status == 200
    except (OSError, http.client.HTTPException):
        return False
