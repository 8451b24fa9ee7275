"""Configs: list, read, make, replace, delete."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json
from starlette.responses import Response

from ring.api import bodies, fields, streams, wire
from ring.api.problems import Problem, invalid
from ring.api.routes import filters
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.core.violations import Violation
from ring.store.configs import Draft

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.store.configs import Config

MOST_LABELS: Final = 1000  # characters
WHOLE_BYTES: Final = 4 * 1024 * 1024
"""A longer list is sent while it is read: all of them may be more than there is memory."""

_NAMES = fields.Naming(
    least=1,
    most=253,
    pattern=re.compile("[a-z0-9]([-a-z0-9.]*[a-z0-9])?"),
    words="must be lowercase letters, digits, '-' and '.', with a letter or digit first and last",
)


async def list_configs(call: Call) -> Response:
    """By namespace and name. Read and written one at a time: each may hold a megabyte."""
    entries = _entries(call, call.services.store.configs.ids(filters.wanted(call, by_name=True)))
    first: list[bytes] = []
    length = 0
    async for entry in entries:
        first.append(entry)
        length += len(entry)
        if length > WHOLE_BYTES:
            rest = _array(first, entries)
            holder = call.caller.token.user.id
            return streams.Streamed(rest, wire.JSON, call.services.streams, holder)
    return wire.answer_of(first)


async def read_config(call: Call) -> Response:
    return wire.answer(wire.config(_existing(call)))


async def create_config(call: Call) -> Response:
    body = wire.parse(await bodies.read(call.request), wire.ConfigBody)
    violations = [
        *fields.called("namespace", body.namespace, "config.namespace", fields.NAMESPACES),
        *_violations(body),
    ]
    if violations:
        raise invalid(violations)
    call.caller.enter(body.namespace)
    row = await call.services.store.configs.create(
        body.namespace, _draft(body), call.caller.author(body.namespace)
    )
    return wire.answer(wire.config(row), status=201)


async def replace_config(call: Call) -> Response:
    """All but the namespace. What runs keeps the old data until it is made anew."""
    row = _existing(call)
    body = wire.parse(await bodies.read(call.request), wire.ConfigValueBody)
    violations = list(_violations(body, must_be_json=True))
    if violations:
        raise invalid(violations)
    author = call.caller.author(row.namespace)
    row = await call.services.store.configs.replace(row.id, _draft(body), author)
    return wire.answer(wire.config(row))


async def delete_config(call: Call) -> Response:
    row = _existing(call)
    await call.services.store.configs.delete(row.id, call.caller.author(row.namespace))
    return Response(status_code=204)


async def _entries(call: Call, ids: Sequence[str]) -> AsyncGenerator[bytes, None]:
    for config_id in ids:
        row = call.services.store.configs.config(config_id)
        if row is not None:  # deleted meanwhile
            yield wire.encoded(wire.config(row))
        await asyncio.sleep(0)


async def _array(
    first: Sequence[bytes], entries: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """A list that goes on; one that breaks off lacks its end."""
    yield b"[" + b",".join(first)
    async for entry in entries:
        yield b"," + entry
    yield b"]"


def _existing(call: Call) -> Config:
    """The row that the path names, inside the caller's boundary. Raises 404 and 403."""
    wanted = call.params["id"]
    row = call.services.store.configs.config(wanted)
    if row is None:
        raise Problem(404, f"configuration '{wanted}' does not exist")
    call.caller.enter(row.namespace)
    return row


def _draft(body: wire.ConfigBody | wire.ConfigValueBody) -> Draft:
    return Draft(body.name, body.data, body.labels or "")


def _violations(
    body: wire.ConfigBody | wire.ConfigValueBody, *, must_be_json: bool = False
) -> Iterator[Violation]:
    yield from fields.called("name", body.name, "config.name", _NAMES)
    yield from fields.sized("data", body.data, "config.data")
    if must_be_json and body.data and not _is_json(body.data):
        yield Violation("data", "config.data.invalid_json", "must be JSON")
    if body.labels is not None and len(body.labels) > MOST_LABELS:
        message = f"must be at most {MOST_LABELS} characters, has {len(body.labels)}"
        yield Violation("labels", "config.labels.length", message)


def _is_json(text: str) -> bool:
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError:
        return False
    return True


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/configs",
        list_configs,
        Doc("List configs", gives=wire.StoredConfigShape, listed=True, query=("namespace", "name")),
        Scope.CONFIGS_READ,
    ),
    Guarded(
        "POST",
        "/configs",
        create_config,
        Doc(
            "Make a config",
            takes=wire.ConfigBody,
            gives=wire.StoredConfigShape,
            statuses=(201,),
            refusals=(404,),
        ),
        Scope.CONFIGS_WRITE,
    ),
    Guarded(
        "GET",
        "/configs/{id}",
        read_config,
        Doc("Read a config", gives=wire.StoredConfigShape),
        Scope.CONFIGS_READ,
    ),
    Guarded(
        "PUT",
        "/configs/{id}",
        replace_config,
        Doc(
            "Replace name, data and labels of a config",
            takes=wire.ConfigValueBody,
            gives=wire.StoredConfigShape,
        ),
        Scope.CONFIGS_WRITE,
    ),
    Guarded(
        "DELETE",
        "/configs/{id}",
        delete_config,
        Doc("Delete a config, referenced or not", statuses=(204,)),
        Scope.CONFIGS_WRITE,
    ),
)
