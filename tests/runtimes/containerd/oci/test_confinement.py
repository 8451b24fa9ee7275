from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import Security
from ring.core.rules.security import OPTIONS
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci import confinement
from ring.runtimes.containerd.oci.options import honoured
from tests.runtimes.containerd.orders import order

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

MODULES = {"security.apparmor", "security.selinux"}


def host(tmp_path: Path, *, apparmor: bool = False, selinux: bool = False) -> Path:
    """A /sys."""
    enabled, enforce = "module/apparmor/parameters/enabled", "fs/selinux/enforce"
    profiles = "kernel/security/apparmor/profiles"
    files = {enabled: "Y\n", profiles: "docker-default (enforce)\nweb (x) (complain)\n"}
    for path, content in (files if apparmor else {}).items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(content)
    if selinux:
        (tmp_path / enforce).parent.mkdir(parents=True)
        (tmp_path / enforce).write_text("1")
    return tmp_path


def test_a_host_without_modules_honours_all_else(tmp_path: Path) -> None:
    assert honoured(host(tmp_path)) == set(OPTIONS) - MODULES
    assert honoured(host(tmp_path, apparmor=True, selinux=True)) == set(OPTIONS)


@pytest.mark.parametrize(
    ("written", "usual", "is_privileged", "found"),
    [
        (None, "docker-default", False, "docker-default"),
        (None, None, False, None),
        (None, "docker-default", True, "unconfined"),
        ("unconfined", "docker-default", False, "unconfined"),
        ("web (x)", "docker-default", False, "web (x)"),
        ("web (x)", None, True, "web (x)"),
    ],
)
def test_the_profile(
    tmp_path: Path, written: str | None, usual: str | None, is_privileged: bool, found: str | None
) -> None:
    system = host(tmp_path, apparmor=True)
    security = Security(apparmor=written)
    told = confinement.apparmor(security, usual, is_privileged=is_privileged, system=system)
    assert told == found


@pytest.mark.parametrize("apparmor", [True, False])
def test_a_profile_that_is_not_loaded(tmp_path: Path, apparmor: bool) -> None:
    system = host(tmp_path, apparmor=apparmor)
    with pytest.raises(RuntimeFailure, match="'none' is not loaded") as caught:
        confinement.apparmor(Security(apparmor="none"), None, is_privileged=False, system=system)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


def test_nothing_is_unconfined_where_nothing_confines(tmp_path: Path) -> None:
    security = Security(apparmor="unconfined")
    assert confinement.apparmor(security, None, is_privileged=True, system=host(tmp_path)) is None


def labels(tmp_path: Path, **parts: JsonValue) -> confinement.Labels | None:
    system = host(tmp_path / "sys", selinux=True)
    return confinement.selinux(
        Security(selinux=parts),
        "shop_web_0a1b2c3d",
        system=system,
        policies=tmp_path / "etc",
    )


def test_a_label_where_the_policy_is_not_found(tmp_path: Path) -> None:
    found = labels(tmp_path, type="web_t", level="s0:c1,c2")
    assert found is not None
    assert found.process == "system_u:system_r:web_t:s0:c1,c2"
    assert found.files == "system_u:object_r:container_file_t:s0:c1,c2"


def test_a_label_of_the_policy_with_categories_of_its_own(tmp_path: Path) -> None:
    contexts = tmp_path / "etc/mls/contexts/lxc_contexts"
    contexts.parent.mkdir(parents=True)
    (tmp_path / "etc/config").write_text("# of\nSELINUXTYPE=mls\n")
    contexts.write_text('process = "a_u:a_r:a_t:s1"\nfile = "b_u:b_r:b_t:s1"\n')
    found = labels(tmp_path, user="web_u", role="web_r")
    assert found is not None
    process, _, categories = found.process.rpartition(":")
    low, high = (int(name.removeprefix("c")) for name in categories.split(","))
    assert process == "web_u:web_r:a_t:s1"
    assert 0 <= low < high < 1024
    assert found.files == f"web_u:b_r:b_t:s1:{categories}"


def test_no_label(tmp_path: Path) -> None:
    assert labels(tmp_path, disable=True) is None
    assert confinement.selinux(Security(), "x", system=tmp_path / "none") is None
    with pytest.raises(RuntimeFailure, match="'web_t' cannot be given") as caught:
        confinement.selinux(Security(selinux={"type": "web_t"}), "x", system=tmp_path / "none")
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


def test_files_are_labelled_where_that_is_of_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, bytes] = {}

    def setxattr(path: Path, name: str, value: bytes, *, follow_symlinks: bool) -> None:
        assert (name, follow_symlinks) == ("security.selinux", False)
        written[path.name] = value

    monkeypatch.setattr(os, "setxattr", setxattr)
    system, policies, data = (
        host(tmp_path / "sys", selinux=True),
        tmp_path / "etc",
        tmp_path / "data",
    )
    (data / "sub").mkdir(parents=True)
    (data / "sub/file").touch()

    def relabelling(
        system: Path, members: dict[str, object] | None = None
    ) -> confinement.Relabelling:
        spec = order(members).spec
        return confinement.Relabelling(spec, "x", system=system, policies=policies)

    plain = relabelling(system)
    plain.where_labelled(data, shared=True)
    relabelling(tmp_path / "none").always(data, shared=True)
    assert written == {}
    plain.always(data, shared=True)
    label = b"system_u:object_r:container_file_t:s0\0"
    assert written == {"data": label, "sub": label, "file": label}
    confined = relabelling(system, {"security": {"selinux": {"level": "s0:c1,c2"}}})
    confined.where_labelled(data, shared=False)
    assert written["file"] == b"system_u:object_r:container_file_t:s0:c1,c2\0"
    confined.where_labelled(data, shared=True)
    assert written["file"] == label
