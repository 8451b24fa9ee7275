"""AppArmor and SELinux, where this host has them: what an instance is confined by.

A profile or a label that this host cannot give ends the creation: never an instance without it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.core.model.hardening import in_effect
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec, Security

SYSTEM: Final = Path("/sys")
POLICIES: Final = Path("/etc/selinux")
UNCONFINED: Final = "unconfined"
_APPARMOR: Final = "module/apparmor/parameters/enabled"
_PROFILES: Final = "kernel/security/apparmor/profiles"
_SELINUX: Final = "fs/selinux/enforce"
_USUAL_PROCESS: Final = "system_u:system_r:container_t:s0"
_USUAL_FILES: Final = "system_u:object_r:container_file_t:s0"
_ATTRIBUTE: Final = "security.selinux"
_CATEGORIES: Final = 1024


@dataclass(frozen=True, slots=True)
class Labels:
    """SELinux contexts: of the process, and of what only it may read."""

    process: str
    files: str


def has_apparmor(system: Path = SYSTEM) -> bool:
    try:
        return (system / _APPARMOR).read_text().strip() == "Y"
    except OSError:
        return False


def has_selinux(system: Path = SYSTEM) -> bool:
    return (system / _SELINUX).exists()


def loaded_profiles(system: Path = SYSTEM) -> frozenset[str]:
    """By their names, without the mode each is in."""
    try:
        lines = (system / _PROFILES).read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(line.rpartition(" (")[0] for line in lines)


def apparmor(
    security: Security, usual: str | None, *, is_privileged: bool, system: Path = SYSTEM
) -> str | None:
    """The profile of the process; None: the host has none to give.

    usual: of whoever names none. Raises RuntimeFailure(INSTANCE_REJECTED) for one that is not
    loaded.
    """
    profile = security.apparmor or (UNCONFINED if is_privileged else usual)
    if profile is None or profile == UNCONFINED:
        return profile if has_apparmor(system) else None
    if security.apparmor is not None and profile not in loaded_profiles(system):
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"the AppArmor profile '{profile}' is not loaded on the server's host",
        )
    return profile


def selinux(
    security: Security, instance: str, *, system: Path = SYSTEM, policies: Path = POLICIES
) -> Labels | None:
    """None: nothing is asked for, or nothing else than to be without.

    Without a level, two categories that follow from the instance keep others from its files.
    Raises RuntimeFailure(INSTANCE_REJECTED) where the host has no SELinux.
    """
    parts = {key: str(value) for key, value in security.selinux.items() if key != "disable"}
    if not parts:
        return None
    if not has_selinux(system):
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"the SELinux label '{':'.join(parts.values())}' cannot be given: "
            "SELinux is not on on the server's host",
        )
    contexts = _contexts(policies)
    process = _Context.parsed(contexts.get("process", _USUAL_PROCESS))
    files = _Context.parsed(contexts.get("file", _USUAL_FILES))
    level = parts.get("level") or f"{process.level}:{_categories(instance)}"
    return Labels(
        process=_Context(
            parts.get("user", process.user),
            parts.get("role", process.role),
            parts.get("type", process.type),
            level,
        ).written,
        files=_Context(parts.get("user", files.user), files.role, files.type, level).written,
    )


class Relabelling:
    """Gives files of this host the label that one instance may use them by."""

    def __init__(
        self,
        spec: DeploymentSpec,
        instance: str,
        *,
        system: Path = SYSTEM,
        policies: Path = POLICIES,
    ) -> None:
        """Raises RuntimeFailure(INSTANCE_REJECTED), see `selinux`."""
        user = spec.config.user if spec.config else None
        is_confined = not (user and user.privileged)
        labels = (
            selinux(in_effect(spec), instance, system=system, policies=policies)
            if is_confined
            else None
        )
        self._files = labels.files if labels else None
        self._usual = _contexts(policies).get("file", _USUAL_FILES) if has_selinux(system) else None

    def where_labelled(self, path: Path, *, shared: bool) -> None:
        """Of Ring's own: for an instance that has a label. Raises OSError."""
        if self._files is not None:
            relabel(path, self._files, shared=shared)

    def always(self, path: Path, *, shared: bool) -> None:
        """Of a user's that asks for it: wherever the host has SELinux. Raises OSError."""
        label = self._files or self._usual
        if label is not None:
            relabel(path, label, shared=shared)


def relabel(path: Path, files: str, *, shared: bool) -> None:
    """Gives a file, or all of a folder, the label. Of one that is shared without categories.

    Raises OSError.
    """
    context = _Context.parsed(files)
    level = context.level.partition(":")[0] if shared else context.level
    label = _Context(context.user, context.role, context.type, level).written.encode() + b"\0"
    os.setxattr(path, _ATTRIBUTE, label, follow_symlinks=False)
    for folder, names, others in os.walk(path):
        for name in (*names, *others):
            os.setxattr(Path(folder, name), _ATTRIBUTE, label, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class _Context:
    user: str
    role: str
    type: str
    level: str

    @classmethod
    def parsed(cls, written: str) -> _Context:
        user, role, kind, level = (*written.split(":", 3), "", "", "", "")[:4]
        return cls(user, role, kind, level)

    @property
    def written(self) -> str:
        return f"{self.user}:{self.role}:{self.type}:{self.level}"


def _contexts(policies: Path) -> dict[str, str]:
    """What the host's policy gives containers, by `process` and `file`."""
    try:
        config = _assignments((policies / "config").read_text())
        path = policies / config.get("SELINUXTYPE", "targeted") / "contexts" / "lxc_contexts"
        return _assignments(path.read_text())
    except OSError:
        return {}


def _assignments(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip().strip('"') for key, sign, value in pairs if sign}


def _categories(instance: str) -> str:
    """Two different ones, the lower first."""
    number = int.from_bytes(hashlib.sha256(instance.encode()).digest()[:8])
    first, step = number % _CATEGORIES, 1 + number // _CATEGORIES % (_CATEGORIES - 1)
    low, high = sorted((first, (first + step) % _CATEGORIES))
    return f"c{low},c{high}"
