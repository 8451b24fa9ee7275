from __future__ import annotations

import json
from typing import Any

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci import capabilities, seccomp

USUAL = [f"CAP_{name}" for name in capabilities.DEFAULT]
ALLOW = "SCMP_ACT_ALLOW"


def rules(profile: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [rule for rule in profile["syscalls"] if name in rule["names"]]


def default(*more: str, machine: str = "x86_64") -> dict[str, Any]:
    return seccomp.translated(seccomp.DEFAULT.read_text(), [*USUAL, *more], machine)


def test_the_usual_profile_allows_what_programs_need() -> None:
    profile = default()
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert set(profile) == {"defaultAction", "defaultErrnoRet", "architectures", "syscalls"}
    for name in ("read", "execve", "openat2", "futex_waitv", "chroot", "arch_prctl", "ptrace"):
        (rule,) = rules(profile, name)
        assert rule["action"] == ALLOW
        assert "args" not in rule
    for name in ("mount", "bpf", "setns", "unshare", "reboot", "io_uring_setup", "keyctl"):
        assert rules(profile, name) == []
    (clone,) = rules(profile, "clone")
    assert clone["args"] == [
        {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    ]
    (clone3,) = rules(profile, "clone3")
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)
    assert len(rules(profile, "personality")) == 5
    known = {"names", "action", "args", "errnoRet"}
    assert all(set(rule) <= known for rule in profile["syscalls"])


def test_a_capability_brings_its_calls() -> None:
    profile = default("CAP_SYS_ADMIN", "CAP_SYS_BOOT")
    for name in ("mount", "clone", "clone3", "reboot"):
        assert [rule["action"] for rule in rules(profile, name)] == [ALLOW], name
    without = seccomp.translated(seccomp.DEFAULT.read_text(), [])
    assert rules(without, "chroot") == []


@pytest.mark.parametrize(
    ("machine", "architectures", "call", "other"),
    [
        ("x86_64", ["X86_64", "X86", "X32"], "modify_ldt", "set_tls"),
        ("aarch64", ["AARCH64", "ARM"], "set_tls", "modify_ldt"),
        ("s390x", ["S390X", "S390"], "s390_runtime_instr", "arch_prctl"),
        ("riscv64", ["RISCV64"], "riscv_flush_icache", "arch_prctl"),
        ("ppc64le", [], "swapcontext", "arch_prctl"),
        ("sparc64", [], "read", "arch_prctl"),
    ],
)
def test_each_machine_has_its_own(
    machine: str, architectures: list[str], call: str, other: str
) -> None:
    profile = default(machine=machine)
    found = profile.get("architectures", [])
    assert found == [f"SCMP_ARCH_{name}" for name in architectures]
    assert rules(profile, call)
    assert not rules(profile, other)
    (clone,) = rules(profile, "clone")
    assert clone["args"][0]["index"] == (1 if machine == "s390x" else 0)


def test_an_oci_profile_stays_what_it_is() -> None:
    written = {
        "defaultAction": ALLOW,
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {
                "names": ["mkdir"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 13,
                "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
            }
        ],
    }
    assert seccomp.translated(json.dumps(written), USUAL) == written


def test_an_old_rule_has_one_name() -> None:
    written = {"defaultAction": ALLOW, "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_KILL"}]}
    assert seccomp.translated(json.dumps(written), [])["syscalls"] == [
        {"names": ["mkdir"], "action": "SCMP_ACT_KILL"}
    ]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "99.0"}}, False),
        ({"excludes": {"minKernel": "4.8"}}, False),
        ({"excludes": {"minKernel": "99.0"}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_KILL"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}}, False),
        ({"excludes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}}, False),
        ({"excludes": {"arches": ["arm64"]}}, True),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {}, "excludes": None, "comment": "of somebody"}, True),
    ],
)
def test_conditions(condition: dict[str, object], holds: bool) -> None:
    rule = {"names": ["mkdir"], "action": ALLOW, **condition}
    written = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})
    assert bool(seccomp.translated(written, USUAL, "x86_64")["syscalls"]) is holds


RULE: dict[str, object] = {"names": ["a"], "action": ALLOW}


@pytest.mark.parametrize(
    "written",
    [
        [],
        {},
        {"defaultAction": 1},
        {"syscalls": {"a": 1}},
        {"syscalls": ["mkdir"]},
        {"syscalls": [{"names": ["mkdir"]}]},
        {"syscalls": [{"action": ALLOW}]},
        {"syscalls": [{**RULE, "name": "b"}]},
        {"syscalls": [{**RULE, "names": [1]}]},
        {"syscalls": [{**RULE, "includes": [1]}]},
        {"syscalls": [{**RULE, "includes": {"minKernel": "4"}}]},
        {"architectures": ["a"], "archMap": [{"architecture": "b"}]},
    ],
)
def test_what_is_no_profile_is_named(written: Any) -> None:
    usual = {"defaultAction": ALLOW} if written else {}
    told = written if isinstance(written, list) else {**usual, **written}
    with pytest.raises(RuntimeFailure, match=r"^'/p\.json' is not a seccomp profile: ") as caught:
        seccomp.named("/p.json", json.dumps(told), [])
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


@pytest.mark.parametrize("content", [None, "", "{"])
def test_what_is_no_json_is_no_profile(content: str | None) -> None:
    with pytest.raises(RuntimeFailure, match="it is no JSON"):
        seccomp.named("/p.json", content, [])
