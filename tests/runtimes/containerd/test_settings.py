from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ring.core.errors import HostError
from ring.network import taken
from ring.runtimes.containerd.settings import Settings, from_options


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's networks are configured on this machine."""
    monkeypatch.setattr(taken, "kubernetes_sign", lambda *_: None)


def test_beside_a_kubernetes_its_folder_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken, "kubernetes_sign", lambda *_: "/etc/cni/net.d/10-flannel.conflist")
    assert from_options({}).cni_conf_dir == Path(taken.RING_CONF_DIR)
    asked = from_options({"cni_conf_dir": "/etc/cni/net.d"})
    assert asked.cni_conf_dir == Path("/etc/cni/net.d")


def test_networks_stay_where_they_were_before_a_kubernetes_came_or_went(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared, own = Path(taken.CNI_CONF_DIR), Path("/srv/ring/cni/net.d")
    options = {"state_dir": "/srv/ring"}
    for sign, places in ((None, (shared, own)), ("/etc/rancher/k3s", (own, shared))):
        monkeypatch.setattr(taken, "kubernetes_sign", lambda *_, sign=sign: sign)
        found = from_options(options)
        assert (found.cni_conf_dir, *found.former_conf_dirs) == places
        assert from_options({**options, "cni_conf_dir": "/srv/net.d"}).former_conf_dirs == ()


def test_what_nobody_sets_is_as_documented() -> None:
    found = from_options({"cgroup_driver": "cgroupfs"})
    assert found == replace(Settings(), former_conf_dirs=(Path(taken.RING_CONF_DIR),))
    assert (found.namespace, found.snapshotter, found.shim) == (
        "ring",
        "overlayfs",
        "io.containerd.runc.v2",
    )
    assert (found.log_max_bytes, found.log_max_files, found.dns) == (10 * 1024 * 1024, 5, True)


def test_every_key_is_taken(tmp_path: Path) -> None:
    found = from_options(
        {
            "socket": " /run/other.sock ",
            "namespace": "edge",
            "snapshotter": "native",
            "shim": "io.containerd.runsc.v1",
            "cgroup_driver": "systemd",
            "cni_bin_dirs": ["/srv/cni"],
            "cni_conf_dir": "/srv/net.d",
            "dns": False,
            "registry_hosts_dir": "/srv/certs.d",
            "insecure_registries": ["reg.example:5000"],
            "log_max_size": "1Mi",
            "log_max_files": 3,
            "state_dir": tmp_path,
            "run_dir": tmp_path / "run",
        }
    )
    assert found == Settings(
        socket=Path("/run/other.sock"),
        namespace="edge",
        snapshotter="native",
        shim="io.containerd.runsc.v1",
        cgroup_driver="systemd",
        cni_bin_dirs=("/srv/cni",),
        cni_conf_dir=Path("/srv/net.d"),
        dns=False,
        registry_hosts_dir=Path("/srv/certs.d"),
        insecure_registries=("reg.example:5000",),
        log_max_bytes=1024 * 1024,
        log_max_files=3,
        state_dir=tmp_path,
        run_dir=tmp_path / "run",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("socket", "containerd.sock"),
        ("socket", 7),
        ("namespace", ""),
        ("snapshotter", 1),
        ("cgroup_driver", "openrc"),
        ("cni_bin_dirs", "/opt/cni/bin"),
        ("cni_bin_dirs", [1]),
        ("dns", "yes"),
        ("log_max_size", "big"),
        ("log_max_size", 10),
        ("log_max_size", True),
        ("log_max_files", 0),
        ("log_max_files", True),
        ("log_max_files", 100000),
    ],
)
def test_what_cannot_be_is_named_with_its_table(key: str, value: object) -> None:
    with pytest.raises(HostError, match=rf"{key} in \[server\.runtime\.containerd\] must be"):
        from_options({key: value})


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(HostError) as caught:
        from_options({"dns": 1, "socket": "x", "log_max_files": -1})
    assert caught.value.message.count("must be") == 3
