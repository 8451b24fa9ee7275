"""The registry of named volumes: list, read, register, forget."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from ring.api import bodies, fields, wire
from ring.api.problems import Problem, invalid
from ring.api.queries import switch
from ring.api.routes import filters
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.core.violations import Violation, quoted
from ring.store.volumes import Draft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.store.volumes import Volume

BACKENDS: Final = ("local", "directory")
"""The first is the default."""
MOST_LABELS_BYTES: Final = 16 * 1024
"""Of their compact JSON: every list carries them along."""
MOST_BYTES: Final = 2**63 - 1
"""Of a size: what the database can hold."""

_NAMES = fields.Naming(
    least=2,
    most=253,
    pattern=re.compile("[a-z0-9]([-a-z0-9_.]*[a-z0-9])?"),
    words="must be lowercase letters, digits, '-', '_' and '.', with a letter or digit first and "
    "last",
)


async def list_volumes(call: Call) -> Response:
    """By namespace and name."""
    rows = call.services.store.volumes.listed(filters.wanted(call))
    return await wire.answer_list(rows, wire.volume)


async def read_volume(call: Call) -> Response:
    return wire.answer(wire.volume(_existing(call)))


async def create_volume(call: Call) -> Response:
    body = wire.parse(await bodies.read(call.request), wire.VolumeBody)
    violations = list(_violations(body))
    if violations:
        raise invalid(violations)
    call.caller.enter(body.namespace)
    draft = Draft(
        namespace=body.namespace,
        name=body.name,
        size=body.size,
        backend_type=_backend(body),
        labels=body.labels or {},
    )
    author = call.caller.author(body.namespace)
    row = await call.services.store.volumes.create(draft, author)
    return wire.answer(wire.volume(row), status=201)


async def delete_volume(call: Call) -> Response:
    """The entry alone: the data stays where it is. One that is mounted needs `force=true`."""
    force = switch(call.request, "force")
    row = _existing(call)
    author = call.caller.author(row.namespace)
    await call.services.store.volumes.delete(row.id, author, even_if_referenced=force)
    return Response(status_code=204)


def _existing(call: Call) -> Volume:
    """The row that the path names, inside the caller's boundary. Raises 404 and 403."""
    row = call.services.store.volumes.volume(call.params["id"])
    if row is None:
        raise Problem(404, "Volume not found")
    call.caller.enter(row.namespace)
    return row


def _backend(body: wire.VolumeBody) -> str:
    return BACKENDS[0] if body.backend_type is None else body.backend_type


def _violations(body: wire.VolumeBody) -> Iterator[Violation]:
    yield from fields.called("namespace", body.namespace, "volume.namespace", fields.NAMESPACES)
    yield from fields.called("name", body.name, "volume.name", _NAMES)
    if body.size is not None and not 0 <= body.size <= MOST_BYTES:
        message = f"must be 0 to {MOST_BYTES} bytes"
        yield Violation("size", "volume.size.out_of_range", message)
    backend = _backend(body)
    if backend not in BACKENDS:
        message = f"must be one of {', '.join(BACKENDS)}, not {quoted(backend)}"
        yield Violation("backend_type", "volume.backend_type.unsupported", message)
    text = json.dumps(dict(body.labels or {}), separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode())
    if size > MOST_LABELS_BYTES:
        message = f"must be at most {MOST_LABELS_BYTES} bytes as JSON, has {size}"
        yield Violation("labels", "volume.labels.length", message)


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/volumes",
        list_volumes,
        Doc(
            "List registered volumes",
            gives=wire.RegisteredVolumeShape,
            listed=True,
            query=("namespace",),
        ),
        Scope.VOLUMES_READ,
    ),
    Guarded(
        "POST",
        "/volumes",
        create_volume,
        Doc(
            "Register a volume in a namespace that exists",
            takes=wire.VolumeBody,
            gives=wire.RegisteredVolumeShape,
            statuses=(201,),
            refusals=(404,),
        ),
        Scope.VOLUMES_WRITE,
    ),
    Guarded(
        "GET",
        "/volumes/{id}",
        read_volume,
        Doc("Read a registered volume", gives=wire.RegisteredVolumeShape),
        Scope.VOLUMES_READ,
    ),
    Guarded(
        "DELETE",
        "/volumes/{id}",
        delete_volume,
        Doc(
            "Forget a volume; its data stays, and one that is mounted needs `force=true`",
            statuses=(204,),
            query=("force",),
            refusals=(409,),
        ),
        Scope.VOLUMES_WRITE,
    ),
)
