"""A seccomp profile as profiles are written becomes one that the OCI runtime takes.

They are written once for all machines, in the form that Docker made common: rules that hold on
some architectures, for some capabilities or from some kernel on, and a map of architectures. The
OCI form is what is left of that for one process here; a profile in OCI form stays what it is.
`seccomp.json` is the profile of whoever asks for none: an allow-list after Docker's own.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci import kernel

if TYPE_CHECKING:
    from collections.abc import Collection

    JsonObject = dict[str, object]

USUAL: Final = "default"
DEFAULT: Final = Path(__file__).with_name("seccomp.json")
_TAKEN_OVER: Final = (
    "defaultAction",
    "defaultErrnoRet",
    "flags",
    "listenerPath",
    "listenerMetadata",
)
_ARCHITECTURES: Final = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "i686": ("x86", "SCMP_ARCH_X86"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "mips64": ("mips64", "SCMP_ARCH_MIPS64"),
}
"""By the kernel's name of the machine: what rules and what the map call it."""


class NoProfile(ValueError):
    """What is written is no seccomp profile; the message says why."""


def default(capabilities: Collection[str]) -> JsonObject:
    """`linux.seccomp` of a process with these capabilities (`CAP_CHOWN`), where none is named."""
    return translated(DEFAULT.read_text(), capabilities)


def named(path: str, profile: str | None, capabilities: Collection[str]) -> JsonObject:
    """The same of a profile that a spec names. Raises RuntimeFailure(INSTANCE_REJECTED)."""
    try:
        return translated(profile or "", capabilities)
    except NoProfile as error:
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED, f"'{path}' is not a seccomp profile: {error}"
        ) from error


def translated(
    profile: str, capabilities: Collection[str], machine: str | None = None
) -> JsonObject:
    """Raises NoProfile."""
    try:
        written = json.loads(profile)
    except ValueError as error:
        raise NoProfile("it is no JSON") from error
    if not isinstance(written, dict) or not isinstance(written.get("defaultAction"), str):
        raise NoProfile("a JSON object with a defaultAction")
    name, architecture = _ARCHITECTURES.get(machine or platform.machine(), ("", ""))
    found = {key: written[key] for key in _TAKEN_OVER if written.get(key) is not None}
    if architectures := _architectures(written, architecture):
        found["architectures"] = architectures
    found["syscalls"] = [
        _rule(rule) for rule in _objects(written, "syscalls") if _holds(rule, name, capabilities)
    ]
    return found


def _architectures(written: JsonObject, own: str) -> list[str]:
    listed, mapped = _texts(written, "architectures"), _objects(written, "archMap")
    if listed and mapped:
        raise NoProfile("it has both architectures and an archMap")
    for entry in mapped:
        if entry.get("architecture") == own:
            return [own, *_texts(entry, "subArchitectures")]
    return listed


def _holds(rule: JsonObject, name: str, capabilities: Collection[str]) -> bool:
    includes, excludes = _object(rule, "includes"), _object(rule, "excludes")
    wanted = _texts(includes, "arches")
    if wanted and name not in wanted:
        return False
    if name in _texts(excludes, "arches"):
        return False
    if not set(_texts(includes, "caps")).issubset(capabilities):
        return False
    if not set(_texts(excludes, "caps")).isdisjoint(capabilities):
        return False
    least, first_without = _kernel(includes), _kernel(excludes)
    if least is not None and not kernel.is_at_least(*least):
        return False
    return first_without is None or not kernel.is_at_least(*first_without)


def _rule(rule: JsonObject) -> JsonObject:
    name, names = rule.get("name"), _texts(rule, "names")
    if bool(name) == bool(names) or not isinstance(rule.get("action"), str):
        raise NoProfile("a rule needs names and an action")
    found: JsonObject = {"names": names or [name], "action": rule["action"]}
    if rule.get("errnoRet") is not None:
        found["errnoRet"] = rule["errnoRet"]
    if args := _objects(rule, "args"):
        found["args"] = args
    return found


def _kernel(condition: JsonObject) -> tuple[int, int] | None:
    written = condition.get("minKernel")
    if not written:
        return None
    major, _, minor = str(written).partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise NoProfile("a minKernel must be two numbers such as 4.8")
    return int(major), int(minor)


def _object(holder: JsonObject, key: str) -> JsonObject:
    found = holder.get(key) or {}
    if not isinstance(found, dict):
        raise NoProfile(f"its {key} must be an object")
    return found


def _objects(holder: JsonObject, key: str) -> list[JsonObject]:
    found = holder.get(key) or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise NoProfile(f"its {key} must be a list of objects")
    return cast(list[dict[str, object]], found)  # checked just now


def _texts(holder: JsonObject, key: str) -> list[str]:
    found = holder.get(key) or []
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise NoProfile(f"its {key} must be a list of texts")
    return found
