"""Deployments: list, read, apply, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from ring.api import bodies, wire
from ring.api.problems import Problem, invalid
from ring.api.queries import loose_switch, switch
from ring.api.routes import filters
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.core.bounds import MOST_UNKNOWN
from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.spec import DeploymentSpec
from ring.core.plan.decisions import Create, Replace, Roll, decide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.core.model.deployment import Deployment
    from ring.store.store import Accepted

_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "%;")
_WARNINGS_BYTES = 8 * 1024
"""Clients refuse longer header lines at 64 KiB, some at 8."""


async def list_deployments(call: Call) -> Response:
    """Oldest first, deleted rows included until they are purged."""
    wanted = filters.of(call.request)
    addresses = loose_switch(call.request, "instances")
    store, engine = call.services.store, call.services.engine
    rows = store.deployments()
    shown = (
        (row, engine.instances(row.id))
        for row in rows
        if call.caller.sees(row.spec.namespace) and wanted.takes(row)
    )
    body = await call.services.texts.listed(shown, addresses=addresses, rows=len(rows))
    return Response(body, headers=wire.JSON)


async def read_deployment(call: Call) -> Response:
    return wire.answer(_shown(call, existing(call)))


async def delete_deployment(call: Call) -> Response:
    """Marks the row; the engine takes down what runs. Repeatable until the row is purged."""
    row = existing(call)
    author = call.caller.author(row.spec.namespace)
    if await call.services.store.delete(row.id, author) is None:
        raise _not_found()
    return Response(status_code=204)


async def create_deployment(call: Call) -> Response:
    """Everything is judged before anything is written."""
    asked = await _asked(call)
    accepted = await call.services.store.accept(
        asked.spec,
        call.caller.author(asked.spec.namespace),
        force=asked.force,
        if_changed=asked.if_changed,
        image_moved=asked.image_moved,
        unknown_fields=asked.unknown,
    )
    headers = {"X-Ring-Warnings": _warnings(asked.unknown)} if asked.unknown else {}
    return answer(call, accepted, headers)


async def preview_deployment(call: Call) -> Response:
    """What the same body would do as a POST to /deployments; nothing is written."""
    asked = await _asked(call)
    preview = call.services.store.preview(
        asked.spec,
        call.caller.author(asked.spec.namespace),
        force=asked.force,
        if_changed=asked.if_changed,
        image_moved=asked.image_moved,
    )
    warnings = [f"unknown field '{path}' ignored" for path in asked.unknown]
    return wire.answer(wire.diff(preview, warnings))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A manifest that was posted, with how it is to be taken."""

    spec: DeploymentSpec
    force: bool
    if_changed: bool
    image_moved: bool
    unknown: Sequence[str]


async def _asked(call: Call) -> _Asked:
    """Raises 400, 422 and 403."""
    force = switch(call.request, "force")
    if_changed = switch(call.request, "if_changed")
    spec, unknown = await _checked(call)
    call.caller.enter(spec.namespace)
    image_moved = if_changed and not force and await _image_moved(call, spec)
    return _Asked(spec, force, if_changed, image_moved, unknown)


def existing(call: Call) -> Deployment:
    """The row that the path names, inside the caller's boundary. Raises 404 and 403."""
    row = call.services.store.deployment(DeploymentId(call.params["id"]))
    if row is None:
        raise _not_found()
    call.caller.enter(row.spec.namespace)
    return row


def _not_found() -> Problem:
    return Problem(404, "Deployment not found")


async def _checked(call: Call) -> tuple[DeploymentSpec, Sequence[str]]:
    text = await bodies.read(call.request)
    checked = await call.services.checks.check(text, call.services.engine.capabilities())
    if checked.violations or checked.spec is None:
        raise invalid(checked.violations)
    return checked.spec, checked.unknown


async def _image_moved(call: Call, spec: DeploymentSpec) -> bool:
    """Asks the registry, only where its answer may be what decides."""
    rows = call.services.store.rows(GroupKey(spec.namespace, spec.name))
    active = [row for row in rows if not row.is_deleted]
    decision = decide(
        spec, active, force=False, if_changed=True, image_moved=False, inputs_changed=False
    )
    if isinstance(decision, Create | Replace | Roll):
        return False
    row = decision.row
    movable = row.spec.pull_policy == "Always" and "@" not in row.spec.image
    if not movable or row.image_digest is None:
        return False
    return await call.services.engine.image_moved(row)


def answer(call: Call, accepted: Accepted, headers: Mapping[str, str]) -> Response:
    """201 with a new row; else 200 with the one that is there, and what has become of it."""
    row = accepted.deployment
    headers = dict(headers)
    match accepted.change:
        case "created":
            return wire.answer(wire.deployment(row), status=201, headers=headers)
        case "unchanged":
            headers["X-Ring-Change"] = "unchanged"
        case "scaled":
            change = f"scaled; from={accepted.scaled_from}; to={accepted.scaled_to}"
            headers["X-Ring-Change"] = change
        case "switched":
            pass
    return wire.answer(_shown(call, row), headers=headers)


def _shown(call: Call, row: Deployment) -> wire.DeploymentShape:
    return wire.deployment(row, call.services.engine.instances(row.id))


def _warnings(unknown: Sequence[str]) -> str:
    """A header value: what is not plain ASCII, or would split an entry, is percent-encoded."""
    entries: list[str] = []
    room = _WARNINGS_BYTES
    for path in unknown:
        entry = f"unknown field '{quote(path, safe=_PLAIN)}' ignored"
        room -= len(entry) + 2
        if room < 0 or len(entries) == MOST_UNKNOWN:
            entries.append("and more unknown fields ignored")
            break
        entries.append(entry)
    return "; ".join(entries)


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments",
        list_deployments,
        Doc(
            "List deployments, oldest first",
            gives=wire.DeploymentShape,
            listed=True,
            query=(*filters.KEYS, "instances"),
        ),
        Scope.DEPLOYMENTS_READ,
    ),
    Guarded(
        "POST",
        "/deployments",
        create_deployment,
        Doc(
            "Apply a deployment",
            takes=DeploymentSpec,
            gives=wire.DeploymentShape,
            statuses=(201, 200),
            query=("force", "if_changed"),
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "POST",
        "/deployments/diff",
        preview_deployment,
        Doc(
            "What applying this deployment would do; nothing is written",
            takes=DeploymentSpec,
            gives=wire.DiffShape,
            query=("force", "if_changed"),
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "GET",
        "/deployments/{id}",
        read_deployment,
        Doc("Read a deployment", gives=wire.DeploymentShape),
        Scope.DEPLOYMENTS_READ,
    ),
    Guarded(
        "DELETE",
        "/deployments/{id}",
        delete_deployment,
        Doc("Delete a deployment; its instances are taken down afterwards", statuses=(204,)),
        Scope.DEPLOYMENTS_WRITE,
    ),
)
