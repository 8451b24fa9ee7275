"""What differs between two specs, field by field, in the words of the manifest.

It goes by what the specs mean (`meaning`), as the decision about an apply does: what that takes for
unchanged has no difference here but its count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.spec import MASK, meaning
from ring.core.violations import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from ring.core.model.spec import DeploymentSpec
    from ring.core.references import Reference
    from ring.core.violations import Path

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """None stands for what is not there. Equal values: only that has changed to which they
    refer."""

    path: str
    before: JsonValue
    after: JsonValue


def changes(before: DeploymentSpec | None, after: DeploymentSpec) -> tuple[Change, ...]:
    """In the order of the paths. Without `before`, everything that is set. No password is in it,
    and whether one has changed is not told."""
    found = _between((), {} if before is None else _of(before), _of(after))
    return tuple(Change(path_text(path), old, new) for path, old, new in found)


def renewed(spec: DeploymentSpec, references: Sequence[Reference]) -> tuple[Change, ...]:
    """Where the spec uses these secrets and configs, which are not any more what they were."""
    return tuple(
        Change(f"{path} ({kind} '{name}' has changed)", value, value)
        for path, kind, name, value in _uses(spec)
        if (kind, name) in references
    )


def new_password() -> Change:
    """Another registry password, or one whose predecessor cannot be read any more."""
    return Change("config.password (has changed)", MASK, MASK)


def moved_tag(spec: DeploymentSpec) -> Change:
    """The registry has another image under the same tag."""
    return Change("image (the tag has moved)", spec.image, spec.image)


def started() -> Change:
    """A deployment that was stopped runs again."""
    return Change("stopped", True, None)


def made_anew(status: str) -> Change:
    """The same is wanted, but what is there is not healthy."""
    return Change(f"status ({status}: it is made anew)", status, status)


def _of(spec: DeploymentSpec) -> dict[str, JsonValue]:
    return {**meaning(spec), "replicas": spec.replicas}


def _between(
    path: Path, before: object, after: object
) -> Iterator[tuple[Path, JsonValue, JsonValue]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _between((*path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else _ABSENT
            new = after[index] if index < len(after) else _ABSENT
            yield from _between((*path, index), old, new)
    elif not _is_same(before, after):
        yield from _replaced(path, before, after)


def _replaced(
    path: Path, before: object, after: object
) -> Iterator[tuple[Path, JsonValue, JsonValue]]:
    """An object that comes or goes is told member by member, but an item of a list as one."""
    is_item = bool(path) and isinstance(path[-1], int)
    if not is_item and before is _ABSENT and isinstance(after, dict | list) and after:
        yield from _between(path, type(after)(), after)
    elif not is_item and after is _ABSENT and isinstance(before, dict | list) and before:
        yield from _between(path, before, type(before)())
    else:
        yield path, _shown(before), _shown(after)


def _is_same(before: object, after: object) -> bool:
    """As JSON: 1 is not true, and not 1.0."""
    if before is _ABSENT or after is _ABSENT:
        return before is after
    if isinstance(before, str) or isinstance(after, str):  # nearly all that there is
        return before == after
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _shown(value: object) -> JsonValue:
    return None if value is _ABSENT else value  # type: ignore[return-value]  # parts of `meaning`


def _uses(spec: DeploymentSpec) -> Iterator[tuple[str, str, str, JsonValue]]:
    """Path, kind and name of each secret and config the spec uses, and what it says there."""
    for key, value in spec.environment.items():
        if not isinstance(value, str):
            path = path_text(("environment", key))
            yield path, "secret", value.secretRef, {"secretRef": value.secretRef}
    for index, volume in enumerate(spec.volumes):
        if volume.type in {"secret", "config"} and volume.source:
            yield f"volumes[{index}]", volume.type, volume.source, volume.source
    if spec.config is not None and spec.config.image_pull_secret:
        name = spec.config.image_pull_secret
        yield "config.image_pull_secret", "secret", name, name
