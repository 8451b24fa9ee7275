"""Rules about what an instance may do on the shared kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ring.core.model import process_settings
from ring.core.model.spec import DeploymentSpec, Security
from ring.core.rules import linux
from ring.core.rules.base import CAPABILITIES, Rule, rule
from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.rules.base import Case, Finding

OPTIONS: Final = (*(f"security.{name}" for name in Security.model_fields), *process_settings.NAMES)
"""All that a runtime may list in `Capabilities.options`."""

_USER = ("config", "user")
_SELINUX_PARTS = frozenset({"user", "role", "type", "level"})


def _supported(option: str) -> Rule:
    path = tuple(option.split("."))

    def check(case: Case) -> Iterator[Finding]:
        """set on a runtime that does not take it"""
        value: object = case.spec
        for part in path:
            value = getattr(value, part, None)
        used = value is not None and value is not False and value not in ((), {})
        if used and option not in case.capabilities.options:
            yield path, f"{option} is not supported by {case.spec.runtime}"

    return rule(f"deployment.{option}.runtime_unsupported", option, CAPABILITIES)(check)


def _known_capabilities(member: str) -> Rule:
    def check(case: Case) -> Iterator[Finding]:
        """not a capability name"""
        names = getattr(case.spec.security, member, ())
        for index, name in case.each(f"security.{member}", names):
            if name != "ALL" and name.removeprefix("CAP_") not in linux.CAPABILITIES:
                text = f"{quoted(name)} is not a capability: use names such as NET_ADMIN, or ALL"
                yield ("security", member, index), text

    return rule(f"deployment.security.{member}.unknown", f"security.{member}[]")(check)


@rule("deployment.security.seccomp.invalid", "security.seccomp")
def seccomp_invalid(case: Case) -> Iterator[Finding]:
    """not `default`, `unconfined` or an absolute path"""
    seccomp = case.spec.security.seccomp if case.spec.security else None
    if seccomp is None or seccomp in {"default", "unconfined"} or seccomp.startswith("/"):
        return
    text = f"must be 'default', 'unconfined' or an absolute path, not {quoted(seccomp)}"
    yield ("security", "seccomp"), text


@rule("deployment.security.apparmor.invalid", "security.apparmor")
def apparmor_invalid(case: Case) -> Iterator[Finding]:
    """blank"""
    apparmor = case.spec.security.apparmor if case.spec.security else None
    if apparmor is not None and not apparmor.strip():
        yield ("security", "apparmor"), "apparmor cannot be empty: name a profile or 'unconfined'"


@rule("deployment.security.selinux.invalid", "security.selinux")
def selinux_invalid(case: Case) -> Iterator[Finding]:
    """unknown key, or `disable` beside others"""
    labels = case.spec.security.selinux if case.spec.security else {}
    alone = list(labels) == ["disable"] and labels["disable"] is True
    parts = all(key in _SELINUX_PARTS and isinstance(labels[key], str) for key in labels)
    if not (alone or parts):
        text = "must hold user, role, type and level as strings, or 'disable: true' alone"
        yield ("security", "selinux"), text


@rule("deployment.security.hardened.user_required", "security.hardened", "config.user.id")
def hardened_user(case: Case) -> Iterator[Finding]:
    """`hardened` with the id absent or 0"""
    user = case.spec.config.user if case.spec.config else None
    if _is_hardened(case.spec) and not (user and user.id):
        yield (*_USER, "id"), "a hardened deployment needs a user id other than 0"


@rule("deployment.security.hardened.conflict", "security.hardened")
def hardened_conflict(case: Case) -> Iterator[Finding]:
    """`hardened` beside a field that says the opposite"""
    security = case.spec.security
    if security is None or not security.hardened:
        return
    for member, opposite in _opposites(security):
        if opposite:
            yield ("security", member), f"{member} says the opposite of hardened"
    user = case.spec.config.user if case.spec.config else None
    if user and user.privileged:
        yield (*_USER, "privileged"), "privileged says the opposite of hardened"


@rule(
    "deployment.config.user.privileged_conflict",
    "config.user.privileged",
    "security.cap_drop",
    "security.seccomp",
)
def privileged_conflict(case: Case) -> Iterator[Finding]:
    """`privileged` beside dropped capabilities or a seccomp profile, which it does without"""
    user = case.spec.config.user if case.spec.config else None
    security = case.spec.security
    if security is None or not (user and user.privileged):
        return
    if security.cap_drop:
        yield ("security", "cap_drop"), "a privileged instance has every capability"
    if security.seccomp is not None and security.seccomp.startswith("/"):
        yield ("security", "seccomp"), "a privileged instance runs without seccomp"


SECURITY = (
    *(_supported(option) for option in OPTIONS),
    _known_capabilities("cap_add"),
    _known_capabilities("cap_drop"),
    seccomp_invalid,
    apparmor_invalid,
    selinux_invalid,
    hardened_user,
    hardened_conflict,
    privileged_conflict,
)


def _is_hardened(spec: DeploymentSpec) -> bool:
    return bool(spec.security and spec.security.hardened)


def _opposites(security: Security) -> tuple[tuple[str, bool], ...]:
    return (
        ("no_new_privileges", security.no_new_privileges is False),
        ("read_only", security.read_only is False),
        ("seccomp", security.seccomp == "unconfined"),
        ("cap_add", "ALL" in security.cap_add),
    )
