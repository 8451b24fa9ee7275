"""Every line of the rule table, provoked alone."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from ring.core.checking import check
from ring.core.model.spec import RuntimeName
from ring.core.rules import RULES
from ring.core.rules.security import OPTIONS
from tests.core.bodies import (
    CAPABILITIES,
    EVERYTHING,
    FULL,
    MINIMAL,
    ON_CH,
    ON_FC,
    checked,
    found,
)

RUNTIMES: tuple[str, ...] = get_args(RuntimeName)
PORT = {"published": 80, "target": 80}
SCALE = {"min": 1, "max": 1, "target_cpu": 50}
TCP = {"type": "tcp", "port": 80, "interval": "1s", "timeout": "1s", "on_failure": "stop"}
HTTP = {**TCP, "type": "http", "url": "http://localhost/"}
SHELL = {**TCP, "type": "command", "command": "true"}
HARDENED = {"security": {"hardened": True}, "config": {"user": {"id": 1}}}
USED = {name: FULL[name] for name in FULL if name in OPTIONS}


def volume(**members: Any) -> dict[str, Any]:
    whole = {"type": "bind", "source": "/a", "destination": "/b", **members}
    return {"volumes": [{name: value for name, value in whole.items() if value is not None}]}


def mode(word: str, **patch: Any) -> dict[str, Any]:
    return {"network": {"mode": word}, **patch}


def hardened(member: str, value: Any) -> dict[str, Any]:
    return {**HARDENED, "security": {"hardened": True, member: value}}


def limits(unit: str, text: str) -> dict[str, Any]:
    return {"resources": {"limits": {unit: text}}}


def probe(base: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"health_checks": [{**base, **members}]}


Case = tuple[str, str, dict[str, Any]]
CASES: list[Case] = [
    ("name.length", "name", {"name": "a" * 64}),
    ("name.length", "name", {"name": ""}),
    ("name.format", "name", {"name": "-web"}),
    ("name.format", "name", {"name": "web\n"}),
    ("manifest.length", "manifest", {"manifest": "a" * 64}),
    ("manifest.format", "manifest", {"manifest": "a b"}),
    ("namespace.length", "namespace", {"namespace": "a"}),
    ("namespace.format", "namespace", {"namespace": "Shop"}),
    ("image.empty", "image", {"image": "  "}),
    ("image.format", "image", {"image": "../containers/web"}),
    ("runtime.unsupported", "runtime", {"runtime": "xen"}),
    ("runtime.not_enabled", "runtime", {"runtime": "containerd"}),
    ("volumes.source.required", "volumes[0].source", volume(source=None)),
    ("volumes.source.empty", "volumes[0].source", volume(source="")),
    ("volumes.source.not_absolute", "volumes[0].source", volume(source="a")),
    ("volumes.source.format", "volumes[0].source", volume(type="volume", source="../a")),
    ("volumes.key.required", "volumes[0].key", volume(type="config")),
    ("volumes.key.empty", "volumes[0].key", volume(type="config", key="")),
    ("volumes.key.unexpected", "volumes[0].key", volume(type="secret", key="x")),
    (
        "volumes.relabel.unexpected",
        "volumes[0].relabel",
        volume(type="volume", source="a", relabel="shared"),
    ),
    (
        "volumes.permission.must_be_ro",
        "volumes[0].permission",
        volume(type="secret", permission="rw"),
    ),
    ("volumes.destination.empty", "volumes[0].destination", volume(destination="")),
    ("volumes.destination.not_absolute", "volumes[0].destination", volume(destination="b")),
    (
        "volumes.destination.duplicate",
        "volumes[1].destination",
        {"volumes": volume()["volumes"] + volume(destination="//b/c/../")["volumes"]},
    ),
    (
        "volumes.shared_rw_replicas",
        "volumes[0].permission",
        {"replicas": 2, **volume(type="volume", source="v")},
    ),
    (
        "volumes.shared_rw_replicas",
        "volumes[0].permission",
        {"autoscale": {**SCALE, "max": 2}, **volume(type="volume", source="v")},
    ),
    (
        "volumes.firecracker_limit",
        "volumes",
        {**ON_FC, "volumes": [volume(destination=f"/{n}")["volumes"][0] for n in range(25)]},
    ),
    ("command.cloud_hypervisor_unsupported", "command", {**ON_CH, "command": ["a"]}),
    ("command.firecracker_unsupported", "command", {**ON_FC, "command": ["a"]}),
    (
        "image.cloud_hypervisor_requires_absolute_path",
        "image",
        {**ON_CH, "image": "nginx:alpine"},
    ),
    ("image.firecracker_requires_absolute_path", "image", {**ON_FC, "image": "a.ext4"}),
    ("network.host_runtime_unsupported", "network.mode", mode("host", **ON_FC)),
    ("ports.host_network_conflict", "ports", mode("host", ports=[PORT])),
    ("replicas.host_network_conflict", "replicas", mode("host", replicas=2)),
    (
        "autoscale.host_network_conflict",
        "autoscale.max",
        mode("host", autoscale={**SCALE, "max": 2}),
    ),
    ("ports.published.out_of_range", "ports[0].published", {"ports": [{**PORT, "published": 0}]}),
    ("ports.target.out_of_range", "ports[0].target", {"ports": [{**PORT, "target": 65536}]}),
    ("ports.host_ip.invalid", "ports[0].host_ip", {"ports": [{**PORT, "host_ip": "localhost"}]}),
    ("ports.host_ip.invalid", "ports[0].host_ip", {"ports": [{**PORT, "host_ip": "fe80::1%e"}]}),
    ("ports.published.duplicate", "ports[1].published", {"ports": [PORT, {**PORT, "target": 1}]}),
    ("ports.range.invalid", "ports[0]", {"ports": [{"published": "9-8", "target": "8-9"}]}),
    ("ports.range.invalid", "ports[0]", {"ports": [{"published": "8-9", "target": 8}]}),
    ("ports.range.length_mismatch", "ports[0]", {"ports": [{"published": "8-9", "target": "1-3"}]}),
    ("ports.range.too_large", "ports[0]", {"ports": [{"published": "1-257", "target": "1-257"}]}),
    (
        "autoscale.ports_conflict",
        "autoscale.max",
        {"ports": [PORT], "autoscale": {**SCALE, "max": 2}},
    ),
    ("environment.key.invalid", "environment.1BAD", {"environment": {"1BAD": ""}}),
    ("environment.secret_ref.empty", "environment.A", {"environment": {"A": {"secretRef": " "}}}),
    ("environment.value.invalid", "environment.A", {"environment": {"A": "x\0"}}),
    ("environment.value.invalid", "environment.A", {"environment": {"A": {"secretRef": "x\0"}}}),
    ("labels.key.invalid", "labels.", {"labels": {"": "x"}}),
    ("labels.reserved", "labels.ring_deployment", {"labels": {"ring_deployment": "x"}}),
    ("resources.limits.cpu.invalid", "resources.limits.cpu", limits("cpu", "fast")),
    ("resources.limits.memory.invalid", "resources.limits.memory", limits("memory", "64mb")),
    (
        "resources.requests.cpu.invalid",
        "resources.requests.cpu",
        {"resources": {"requests": {"cpu": "0"}}},
    ),
    (
        "resources.requests.memory.invalid",
        "resources.requests.memory",
        {"resources": {"requests": {"memory": "1.5"}}},
    ),
    ("autoscale.invalid", "autoscale", {"autoscale": {**SCALE, "min": 0}}),
    ("autoscale.invalid", "autoscale", {"autoscale": {**SCALE, "min": 3, "max": 2}}),
    ("autoscale.invalid", "autoscale", {"autoscale": {**SCALE, "target_cpu": 100}}),
    ("autoscale.runtime_unsupported", "autoscale", {**ON_CH, "autoscale": SCALE}),
    ("autoscale.job_unsupported", "autoscale", {"kind": "job", "autoscale": SCALE}),
    ("auto_rollback.job_unsupported", "auto_rollback", {"kind": "job", "auto_rollback": True}),
    (
        "config.image_pull_policy.unsupported",
        "config.image_pull_policy",
        {"config": {"image_pull_policy": "always"}},
    ),
    (
        "config.use_host_auth.conflict",
        "config.use_host_auth",
        {"config": {"use_host_auth": True, "username": "u"}},
    ),
    (
        "config.image_pull_secret.conflict",
        "config.image_pull_secret",
        {"config": {"use_host_auth": True, "image_pull_secret": "s"}},
    ),
    (
        "config.image_pull_secret.conflict",
        "config.image_pull_secret",
        {"config": {"username": "u", "password": "p", "image_pull_secret": "s"}},
    ),
    ("config.credentials.incomplete", "config.password", {"config": {"username": "u"}}),
    ("config.credentials.incomplete", "config.username", {"config": {"password": "p"}}),
    (
        "config.user.userns_unsupported",
        "config.user.userns",
        {"config": {"user": {"userns": "keep-id"}}},
    ),
    (
        "config.user.group_without_id",
        "config.user.group",
        {"config": {"user": {"group": 1}}},
    ),
    *(
        (f"{option}.runtime_unsupported", option, {"runtime": "podman", option: value})
        for option, value in USED.items()
    ),
    ("security.cap_add.unknown", "security.cap_add[1]", {"security": {"cap_add": ["ALL", "NO"]}}),
    ("security.cap_drop.unknown", "security.cap_drop[0]", {"security": {"cap_drop": ["kill"]}}),
    ("security.seccomp.invalid", "security.seccomp", {"security": {"seccomp": "profile.json"}}),
    ("security.apparmor.invalid", "security.apparmor", {"security": {"apparmor": " "}}),
    ("security.selinux.invalid", "security.selinux", {"security": {"selinux": {"colour": "x"}}}),
    (
        "security.selinux.invalid",
        "security.selinux",
        {"security": {"selinux": {"disable": True, "level": "s0"}}},
    ),
    ("security.selinux.invalid", "security.selinux", {"security": {"selinux": {"level": 5}}}),
    ("security.hardened.user_required", "config.user.id", {"security": {"hardened": True}}),
    (
        "security.hardened.user_required",
        "config.user.id",
        {"security": {"hardened": True}, "config": {"user": {"id": 0}}},
    ),
    *(
        ("security.hardened.conflict", f"security.{member}", hardened(member, value))
        for member, value in (
            ("no_new_privileges", False),
            ("read_only", False),
            ("seccomp", "unconfined"),
            ("cap_add", ["ALL"]),
        )
    ),
    (
        "security.hardened.conflict",
        "config.user.privileged",
        {**HARDENED, "config": {"user": {"id": 1, "privileged": True}}},
    ),
    *(
        (
            "config.user.privileged_conflict",
            f"security.{member}",
            {"config": {"user": {"privileged": True}}, "security": {member: value}},
        )
        for member, value in (("cap_drop", ["NET_RAW"]), ("seccomp", "/etc/profile.json"))
    ),
    ("tmpfs.destination.not_absolute", "tmpfs[0].destination", {"tmpfs": [{"destination": "t"}]}),
    (
        "tmpfs.destination.duplicate",
        "tmpfs[0].destination",
        {**volume(), "tmpfs": [{"destination": "/b/"}]},
    ),
    ("tmpfs.size.invalid", "tmpfs[0].size", {"tmpfs": [{"destination": "/t", "size": "big"}]}),
    ("tmpfs.mode.invalid", "tmpfs[0].mode", {"tmpfs": [{"destination": "/t", "mode": "999"}]}),
    ("ulimits.name.invalid", "ulimits.files", {"ulimits": {"files": 1}}),
    ("ulimits.value.invalid", "ulimits.core", {"ulimits": {"core": -2}}),
    ("ulimits.value.invalid", "ulimits.core", {"ulimits": {"core": {"soft": 2, "hard": 1}}}),
    ("ulimits.value.invalid", "ulimits.core", {"ulimits": {"core": {"soft": -1, "hard": 1}}}),
    ("sysctls.not_namespaced", "sysctls.vm.swappiness", {"sysctls": {"vm.swappiness": "1"}}),
    (
        "sysctls.network_mode_conflict",
        "sysctls.net.core.somaxconn",
        mode("host", sysctls={"net.core.somaxconn": "1"}),
    ),
    ("devices.source.not_absolute", "devices[0].source", {"devices": [{"source": "fuse"}]}),
    (
        "devices.permissions.invalid",
        "devices[0].permissions",
        {"devices": [{"source": "/dev/fuse", "permissions": "rx"}]},
    ),
    ("shm_size.invalid", "shm_size", {"shm_size": "64 Mi"}),
    ("hostname.format", "hostname", {"hostname": "a.b"}),
    ("hostname.shared_network_conflict", "hostname", mode("shared", hostname="a")),
    ("extra_hosts.invalid", "extra_hosts.a_b", {"extra_hosts": {"a_b": "10.0.0.1"}}),
    ("extra_hosts.invalid", "extra_hosts.db", {"extra_hosts": {"db": "elsewhere"}}),
    ("extra_hosts.invalid", "extra_hosts.db", {"extra_hosts": {"db": "fe80::1%eth0"}}),
    (
        "extra_hosts.shared_network_conflict",
        "extra_hosts",
        mode("shared", extra_hosts={"db": "::1"}),
    ),
    ("stop_grace_period.invalid", "stop_grace_period", {"stop_grace_period": "601s"}),
    ("stop_grace_period.invalid", "stop_grace_period", {"stop_grace_period": "1d"}),
    ("stop_signal.invalid", "stop_signal", {"stop_signal": "SIGNOPE"}),
    ("stop_signal.invalid", "stop_signal", {"stop_signal": "65"}),
    ("stop_signal.invalid", "stop_signal", {"stop_signal": "0"}),
    ("stop_signal.invalid", "stop_signal", {"stop_signal": "SIG9"}),
    ("stop_signal.invalid", "stop_signal", {"stop_signal": "RTMIN+16"}),
    ("stop_signal.invalid", "stop_signal", {"stop_signal": ""}),
    ("replicas.job_must_be_one", "replicas", {"kind": "job", "replicas": 2}),
    (
        "health_checks.job_readiness_unsupported",
        "health_checks",
        {"kind": "job", **probe(TCP, readiness=True)},
    ),
    ("health_checks.interval.invalid", "health_checks[0].interval", probe(TCP, interval="10")),
    ("health_checks.timeout.invalid", "health_checks[0].timeout", probe(TCP, timeout="0s")),
    (
        "health_checks.min_healthy_time.invalid",
        "health_checks[0].min_healthy_time",
        probe(TCP, min_healthy_time="1.5s"),
    ),
    (
        "health_checks.start_period.invalid",
        "health_checks[0].start_period",
        probe(TCP, start_period=""),
    ),
    (
        "health_checks.threshold.out_of_range",
        "health_checks[0].threshold",
        probe(TCP, threshold=0),
    ),
    ("health_checks.port.out_of_range", "health_checks[0].port", probe(TCP, port=65536)),
    ("health_checks.url.invalid", "health_checks[0].url", probe(HTTP, url="localhost:80")),
    ("health_checks.url.invalid", "health_checks[0].url", probe(HTTP, url="http://[::1/")),
    ("health_checks.command.empty", "health_checks[0].command", probe(SHELL, command=" ")),
]  # fmt: skip


def _options() -> list[Case]:
    """Each member of `security` alone, on a runtime that does not take it."""
    return [
        (
            f"security.{member}.runtime_unsupported",
            f"security.{member}",
            {"runtime": "podman", "security": {member: value}, "config": {"user": {"id": 1}}},
        )
        for member, value in {**FULL["security"], "hardened": True}.items()
    ]


CASES.extend(_options())
PAIR = ("ports.replicas_conflict", "replicas.ports_conflict")


@pytest.mark.parametrize(("code", "path", "patch"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_rule_provoked_alone(code: str, path: str, patch: dict[str, Any]) -> None:
    result = checked(patch)
    assert [(item.code, item.path) for item in result.violations] == [(f"deployment.{code}", path)]
    assert result.spec is None


def test_ports_and_replicas_are_always_a_pair() -> None:
    assert found({"ports": [PORT], "replicas": 2}) == [
        ("deployment.ports.replicas_conflict", "ports"),
        ("deployment.replicas.ports_conflict", "replicas"),
    ]


def test_all_that_is_wrong_with_the_process_settings_is_told_at_once() -> None:
    patch = {
        "config": {"user": {"id": 0, "privileged": True}},
        "security": {"hardened": True, "cap_add": ["NOPE"], "cap_drop": ["KILL"], "seccomp": "x"},
        "tmpfs": [{"destination": "t", "size": "big", "mode": "9"}],
        "ulimits": {"files": 1, "core": {"soft": 2, "hard": 1}},
        "sysctls": {"vm.swappiness": "1"},
        "devices": [{"source": "fuse", "permissions": "x"}],
        "shm_size": "64 Mi",
        "hostname": "-",
        "extra_hosts": {"db": "elsewhere"},
    }
    assert [code.removeprefix("deployment.") for code, _ in found(patch)] == [
        "security.cap_add.unknown",
        "security.seccomp.invalid",
        "security.hardened.user_required",
        "security.hardened.conflict",
        "config.user.privileged_conflict",
        "tmpfs.destination.not_absolute",
        "tmpfs.size.invalid",
        "tmpfs.mode.invalid",
        "ulimits.name.invalid",
        "ulimits.value.invalid",
        "sysctls.not_namespaced",
        "devices.source.not_absolute",
        "devices.permissions.invalid",
        "shm_size.invalid",
        "hostname.format",
        "extra_hosts.invalid",
    ]


def test_every_code_of_the_table_is_provoked() -> None:
    provoked = {f"deployment.{code}" for code in (*PAIR, *(case[0] for case in CASES))}
    # only firecracker has a limit of volumes, and only the microVMs boot an image and no command
    table = {code for rule in RULES for code in rule.codes(_runtimes_of(rule.code))}
    assert provoked == table


def _runtimes_of(template: str) -> tuple[str, ...]:
    if template == "deployment.volumes.{runtime}_limit":
        return ("firecracker",)
    return ("cloud-hypervisor", "firecracker")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_rule_says_what_it_reads_and_when(rule: Any) -> None:
    assert rule.summary
    assert rule.reads


def test_full_body_breaks_no_rule() -> None:
    result = checked({}, base=FULL)
    assert result.violations == ()
    assert result.spec is not None


@pytest.mark.parametrize(
    "patch",
    [
        {"ports": [PORT, {**PORT, "protocol": "udp"}]},
        {"ports": [{**PORT, "host_ip": ip} for ip in ("127.0.0.1", "10.0.0.5", "::1")]},
        {"ports": [PORT, {**PORT, "published": 81}]},
        {"replicas": 2, **volume(type="volume", source="v", permission="ro")},
        {"replicas": 2, **volume()},
        volume(type="secret", key=""),
        volume(type="config", key="a"),
        volume(key="ignored"),
        {"kind": "job", "replicas": 0},
        {"kind": "job", **probe(TCP)},
        probe(TCP, timeout="500ms", interval="2m"),
        probe(HTTP, url="https://localhost:8443/x"),
        {"config": {"use_host_auth": True}},
        {"config": {"image_pull_secret": "s"}},
        {"config": {"username": "u", "password": "p"}},
        {**ON_CH, "config": {"username": "u", "user": {"group": 1}}},
        {"runtime": "podman", "config": {"user": {"userns": "keep-id"}}},
        {**ON_CH, **probe(SHELL), **volume(), "environment": {"A": "b"}},
        {**ON_FC, "volumes": [volume(destination=f"/{n}")["volumes"][0] for n in range(24)]},
        {"runtime": "podman", "init": False, "tmpfs": [], "security": {"cap_add": []}},
        mode("host"),
        {"security": {"selinux": {"disable": True}}},
        {"security": {"seccomp": "/etc/profile.json"}},
        {"config": {"user": {"privileged": True}}, "security": {"seccomp": "unconfined"}},
        {"stop_signal": "9"},
        {"stop_signal": "INT"},
        {"stop_signal": "SIGRTMIN+3"},
        {"stop_signal": "64", "stop_grace_period": "0s"},
        {"ulimits": {"core": {"soft": 5, "hard": -1}}},
        {"autoscale": {**SCALE, "max": 3}},
        limits("memory", "999Ti"),
        {**HARDENED},
    ],
)  # fmt: skip
def test_accepted(patch: dict[str, Any]) -> None:
    assert found(patch) == []


DIGEST = "sha256:" + "a" * 64
HUGE = "a/" * 2046 + "app"


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "nginx:1.27",
        "nginx:Latest_2.B-c",
        "ring-test/busybox:1",
        "127.0.0.1:1/x/y:latest",
        "localhost:5000/a",
        "[::1]:5000/a:1",
        "ghcr.io/acme/storefront:4.2",
        "Registry.Example:5000/shop/ledger",
        f"a__b/c---d/e.f_g@{DIGEST}",
        f"acme/tool:3@{DIGEST}",
        DIGEST,
        "a" * 4096,
        HUGE,
        f"a:{'t' * 128}",
    ],
    ids=lambda image: image[:40],
)
def test_image_references(image: str) -> None:
    assert found({"image": image}) == []


@pytest.mark.parametrize(
    "image",
    [
        ".", "..", "/", "/a", "a/", "a//b", "a/./b", "a/../b", "../containers/x", "Nginx",
        "acme/Tool", "nginx:", "nginx:-a", "nginx: a", " nginx", "nginx\n", "ng inx", "nginx?x",
        "nginx#x", "nginx%2e", "a@sha256:1", "a@", f"a:{'t' * 129}", "a:b:c", "http://a/b", "é",
        "a___b", "a..b", "-a", "a-", "a-/b", "[x]/a", ":5000/a", "h:5x/a", "nginx:٣", "h:٣/a",
        "a" * 4097, f"a/{HUGE}", "a" * 4000 + "!", "a-" * 2000 + "!", "a." * 2000,
    ],
    ids=lambda image: image[:40],
)  # fmt: skip
def test_what_is_no_image_reference(image: str) -> None:
    assert found({"image": image}) == [("deployment.image.format", "image")]


@pytest.mark.parametrize("patch", [ON_CH, ON_FC])
def test_a_microvm_boots_a_path(patch: dict[str, Any]) -> None:
    assert found(patch) == []


@pytest.mark.parametrize("name", ["v", "0", "Data_1.b-c", "a..", "a" * 255])
def test_volume_names(name: str) -> None:
    assert found(volume(type="volume", source=name)) == []


@pytest.mark.parametrize(
    "name", [".", "..", "-a", "_a", "a/b", "/a", "../a", "a b", "a\n", "é", "a:b", "a" * 256]
)
def test_what_is_no_volume_name(name: str) -> None:
    patch = volume(type="volume", source=name)
    assert found(patch) == [("deployment.volumes.source.format", "volumes[0].source")]


def test_a_network_file_system_is_no_volume_name() -> None:
    assert found(volume(type="volume", driver="nfs", source="nas:/export")) == []
    assert found(volume(type="volume", driver="nfs", source="shared")) == []


@pytest.mark.parametrize("source", ["nas:export", "nas,soft:/export", "/export", ":/export"])
def test_what_is_no_share(source: str) -> None:
    patch = volume(type="volume", driver="nfs", source=source)
    assert found(patch) == [("deployment.volumes.source.format", "volumes[0].source")]


@pytest.mark.parametrize(
    ("first", "second"),
    [(None, "127.0.0.1"), ("127.0.0.1", None), ("::", "10.0.0.1"), ("0.0.0.0", "::"),  # noqa: S104 - a value under test
     ("::1", "0:0::1")],
)  # fmt: skip
def test_overlapping_addresses_clash(first: str | None, second: str | None) -> None:
    ports = [{**PORT, "host_ip": first}, {**PORT, "host_ip": second}]
    result = checked({"ports": ports})
    assert [item.path for item in result.violations] == ["ports[1].published"]
    assert "ports[0]" in result.violations[0].message


def test_an_address_that_is_none_is_not_compared() -> None:
    ports = [PORT, {**PORT, "host_ip": "nowhere"}]
    assert found({"ports": ports}) == [("deployment.ports.host_ip.invalid", "ports[1].host_ip")]


def test_host_mode_with_ports_and_replicas_on_a_microvm() -> None:
    patch = mode("host", ports=[PORT], replicas=2, **ON_FC)
    assert found(patch) == [
        ("deployment.network.host_runtime_unsupported", "network.mode"),
        ("deployment.ports.host_network_conflict", "ports"),
        ("deployment.replicas.host_network_conflict", "replicas"),
    ]


def test_one_violation_for_each_failing_bound_of_autoscale() -> None:
    scale = {"min": 0, "max": -1, "target_cpu": 0}
    assert found({"autoscale": scale}) == [("deployment.autoscale.invalid", "autoscale")] * 3


def test_target_cpu_must_be_finite() -> None:
    body = json.dumps({**MINIMAL, "autoscale": SCALE}).replace("50", "1e999")
    result = check(body, CAPABILITIES, unavailable=EVERYTHING)
    assert [item.code for item in result.violations] == ["deployment.autoscale.invalid"]


def test_a_registry_alone_lacks_both_credentials() -> None:
    assert found({"config": {"server": "registry.test"}}) == [
        ("deployment.config.credentials.incomplete", "config.username"),
        ("deployment.config.credentials.incomplete", "config.password"),
    ]


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        (volume(source=None), "source is required for bind volumes"),
        (volume(type="volume", source=None), "source is required for named volumes"),
        (volume(type="config", key="k", source=None), "source is required for config volumes"),
        (volume(type="secret", source=None), "source is required for secret volumes"),
        (volume(source=""), "source cannot be empty"),
        (volume(source="a"), "must be an absolute path"),
        (volume(type="volume", source="/a"), "a letter or digit first, not '/a'"),
        ({"image": "Nginx"}, "PATH in lower case, not 'Nginx'"),
        ({"image": "a" * 4097}, "at most 4096 characters long, not 4097"),
        (volume(type="config"), "key is required for config volumes"),
        (volume(type="config", key=""), "key cannot be empty"),
        (volume(type="secret", key="x"), "secret volumes have no key"),
        (volume(type="config", key="k", permission="rw"), "config volumes must be read-only"),
        (volume(type="secret", permission="rw"), "secret volumes must be read-only"),
        (volume(destination=""), "destination cannot be empty"),
        ({"replicas": 2, **volume(type="volume", source="v")}, "corrupts data"),
        ({**ON_CH, "command": ["a"]}, "custom commands are not supported"),
        ({**ON_CH, "image": "a"}, "absolute path to a raw disk image"),
        (volume(type="tape"), "'tape'"),
        (volume(driver="smb"), "'smb'"),
        (volume(permission="rwx"), "'rwx'"),
    ],
)
def test_messages_name_what_is_wrong(patch: dict[str, Any], words: str) -> None:
    (violation,) = checked(patch).violations
    assert words in violation.message
