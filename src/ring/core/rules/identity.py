"""Rules about what a deployment is called, where it lives and what it runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ring.core.rules.base import CAPABILITIES, by_shape, rule
from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.rules.base import Case, Finding

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"(?:(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?/)?"
    rf"{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})?"
)
"""The grammar of references in the OCI distribution specification."""
LONGEST_IMAGE = 4096  # characters

_NAME_FORMAT = (
    "must be letters, digits, '_', '.' or '-', with a letter or digit first and last, not {}"
)
_NAMESPACE_FORMAT = (
    "must be lower-case letters, digits or '-', with a letter or digit first and last, not {}"
)


@rule("deployment.name.length", "name")
def name_length(case: Case) -> Iterator[Finding]:
    """not 1-63 characters"""
    yield from _length("name", case.spec.name, 1)


@rule("deployment.name.format", "name")
def name_format(case: Case) -> Iterator[Finding]:
    """pattern not matched"""
    yield from _format("name", case.spec.name, NAME, _NAME_FORMAT)


@rule("deployment.manifest.length", "manifest")
def manifest_length(case: Case) -> Iterator[Finding]:
    """set, and not 1-63 characters"""
    if case.spec.manifest is not None:
        yield from _length("manifest", case.spec.manifest, 1)


@rule("deployment.manifest.format", "manifest")
def manifest_format(case: Case) -> Iterator[Finding]:
    """set, and pattern not matched"""
    if case.spec.manifest is not None:
        yield from _format("manifest", case.spec.manifest, NAME, _NAME_FORMAT)


@rule("deployment.namespace.length", "namespace")
def namespace_length(case: Case) -> Iterator[Finding]:
    """not 2-63 characters"""
    yield from _length("namespace", case.spec.namespace, 2)


@rule("deployment.namespace.format", "namespace")
def namespace_format(case: Case) -> Iterator[Finding]:
    """pattern not matched"""
    yield from _format("namespace", case.spec.namespace, NAMESPACE, _NAMESPACE_FORMAT)


@rule("deployment.image.empty", "image")
def image_empty(case: Case) -> Iterator[Finding]:
    """blank"""
    if not case.spec.image.strip():
        yield ("image",), "image cannot be empty"


@rule("deployment.image.format", "image", CAPABILITIES)
def image_format(case: Case) -> Iterator[Finding]:
    """no `[host[:port]/]path[:tag][@digest]` of at most 4096 characters, on a container runtime"""
    image = case.spec.image
    if case.capabilities.image != "reference" or not image.strip():
        return
    if len(image) > LONGEST_IMAGE:
        yield ("image",), f"must be at most {LONGEST_IMAGE} characters long, not {len(image)}"
    elif not IMAGE.fullmatch(image):
        text = "must be an image reference, [HOST[:PORT]/]PATH[:TAG][@DIGEST], PATH in lower case"
        yield ("image",), f"{text}, not {quoted(image)}"


@rule("deployment.runtime.not_enabled", "runtime")
def runtime_not_enabled(case: Case) -> Iterator[Finding]:
    """known, but not enabled on this server"""
    if not case.enabled:
        name = quoted(case.spec.runtime)
        yield ("runtime",), f"runtime {name} is not enabled on this server"


@rule("deployment.command.{runtime}_unsupported", "command", CAPABILITIES)
def command_unsupported(case: Case) -> Iterator[Finding]:
    """non-empty on a runtime that takes no command"""
    if case.spec.command and not case.capabilities.command:
        yield ("command",), f"custom commands are not supported by {case.spec.runtime}"


@rule("deployment.image.{runtime}_requires_absolute_path", "image", CAPABILITIES)
def image_absolute(case: Case) -> Iterator[Finding]:
    """does not start with `/` on a runtime that boots a disk image"""
    image, kind = case.spec.image, case.capabilities.image
    if kind != "reference" and image.strip() and not image.startswith("/"):
        what = "a raw disk image" if kind == "disk" else "an ext4 root file system image"
        text = f"must be the absolute path to {what} for {case.spec.runtime}, not {quoted(image)}"
        yield ("image",), text


IDENTITY = (
    name_length,
    name_format,
    manifest_length,
    manifest_format,
    namespace_length,
    namespace_format,
    image_empty,
    image_format,
    by_shape("deployment.runtime.unsupported", "runtime", "not one of the five names"),
    runtime_not_enabled,
)
MICROVM = (command_unsupported, image_absolute)


def _length(member: str, text: str, least: int) -> Iterator[Finding]:
    if not least <= len(text) <= 63:
        yield (member,), f"must be {least} to 63 characters long, not {len(text)}"


def _format(member: str, text: str, pattern: re.Pattern[str], message: str) -> Iterator[Finding]:
    if text and not pattern.fullmatch(text):
        yield (member,), message.format(quoted(text))
