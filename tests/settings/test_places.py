"""Where engines and helpers are looked for."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from ring.settings.places import cni_directory, podman_host, virtiofsd_candidates

if TYPE_CHECKING:
    from pathlib import Path


def listening(root: Path, path: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True)
    with contextlib.chdir(place.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(place.name)  # the whole path may be too long for one


def program(root: Path, path: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch(mode=0o755)


def test_what_somebody_named_is_podmans_host(tmp_path: Path) -> None:
    environ = {"RING_PODMAN_HOST": " unix:///mine ", "DOCKER_HOST": "tcp://d:1"}
    assert podman_host("tcp://h:1", environ, root=tmp_path) == "tcp://h:1"
    assert podman_host(" ", environ, root=tmp_path) == "unix:///mine"
    environ["RING_PODMAN_HOST"] = " "
    assert podman_host("", environ, root=tmp_path) == "tcp://d:1"


def test_else_the_first_socket_that_is_there(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": "/run/user/7/"}
    assert podman_host("", environ, root=tmp_path) == "unix:///run/user/7/podman/podman.sock"
    listening(tmp_path, "/run/podman/podman.sock")
    assert podman_host("", environ, root=tmp_path) == "unix:///run/podman/podman.sock"
    users = f"/run/user/{os.getuid()}/podman/podman.sock"
    listening(tmp_path, users)
    assert podman_host("", {}, root=tmp_path) == f"unix://{users}"


def test_the_cni_directory(tmp_path: Path) -> None:
    assert cni_directory([], {"CNI_PATH": "/named"}, root=tmp_path) == "/named"
    assert cni_directory(["/a", "/b"], {"CNI_PATH": " "}, root=tmp_path) == "/a"
    assert cni_directory([], {}, root=tmp_path) == "/opt/cni/bin"
    program(tmp_path, "/usr/libexec/cni/bridge")
    assert cni_directory([], {}, root=tmp_path) == "/usr/libexec/cni"
    program(tmp_path, "/b/bridge")
    assert cni_directory(["/a", "/b"], {}, root=tmp_path) == "/b"


def test_virtiofsd(tmp_path: Path) -> None:
    environ = {"RING_VIRTIOFSD": "/mine"}
    assert virtiofsd_candidates(environ, root=tmp_path) == ("virtiofsd",)
    program(tmp_path, "/usr/lib/qemu/virtiofsd")
    program(tmp_path, "/mine")
    assert virtiofsd_candidates(environ, root=tmp_path) == (
        "/mine",
        "/usr/lib/qemu/virtiofsd",
        "virtiofsd",
    )
