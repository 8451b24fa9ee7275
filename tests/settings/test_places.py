"""Where engines and helpers are looked for."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
from typing import TYPE_CHECKING

import pytest

from ring.settings.places import (
    cni_path,
    docker_logins,
    engine_certificates,
    helper_environment,
    podman_host,
    podman_logins,
    virtiofsd_candidates,
)

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


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, None),
        ({"DOCKER_TLS_VERIFY": " ", "DOCKER_CERT_PATH": "", "HOME": "/root"}, None),
        ({"DOCKER_TLS_VERIFY": "1", "HOME": "/home/mira"}, "/home/mira/.docker"),
        ({"DOCKER_TLS_VERIFY": "1"}, f"{pwd.getpwuid(os.getuid()).pw_dir}/.docker"),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c", "HOME": "/root"}, "/c"),
        ({"DOCKER_CERT_PATH": " /c "}, "/c"),
    ],
)
def test_where_the_certificates_for_an_engine_are(
    environ: dict[str, str], folder: str | None
) -> None:
    assert engine_certificates(environ) == folder


def test_the_path_of_cni() -> None:
    assert cni_path({"CNI_PATH": " /named:/other "}) == "/named:/other"
    assert cni_path({}) == ""


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


def test_the_files_of_registry_logins() -> None:
    environ = {"HOME": "/home/mira"}
    docker = "/home/mira/.docker/config.json"
    assert docker_logins(environ) == (docker,)
    assert podman_logins(environ) == (
        f"/run/containers/{os.getuid()}/auth.json",
        "/home/mira/.config/containers/auth.json",
        docker,
    )
    environ |= {
        "DOCKER_CONFIG": "/etc/logins/", "XDG_RUNTIME_DIR": "/run/user/7/",
        "REGISTRY_AUTH_FILE": " /etc/auth.json ",
    }  # fmt: skip
    assert docker_logins(environ) == ("/etc/logins/config.json",)
    assert podman_logins(environ) == (
        "/etc/auth.json",
        "/run/user/7/containers/auth.json",
        "/home/mira/.config/containers/auth.json",
        "/etc/logins/config.json",
    )
    home = os.path.expanduser("~root")  # noqa: PTH111 - pathlib asks HOME
    assert os.getuid() != 0 or docker_logins({}) == (f"{home}/.docker/config.json",)


def test_a_helper_gets_no_variable_of_rings() -> None:
    own = {"RING_SECRET_KEY": "c", "RING_ADMIN_PASSWORD": "c", "OTEL_EXPORTER_OTLP_HEADERS": "c"}
    environ = {"PATH": "/bin", **own, "HOME": "/"}
    assert helper_environment(environ) == {"PATH": "/bin", "HOME": "/"}
