"""One config of a manifest: made, updated where it differs, or left as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.applying.sending import noted, unanswered
from ring.cli.failures import CommandFailed, Unreachable
from ring.cli.problems import write_failed
from ring.cli.rows import Row, objects, parse
from ring.cli.terminal import GREEN
from ring.cli.text import one_line

if TYPE_CHECKING:
    from ring.cli.applying.tally import Tally
    from ring.cli.client import Response
    from ring.cli.session import Session
    from ring.manifest import ConfigEntry


def apply_config(session: Session, entry: ConfigEntry, tally: Tally) -> None:
    """Send it and say what became of it; a failure goes to the tally."""
    try:
        _apply(session, entry, one_line(entry.name))
    except Unreachable as failure:
        unanswered(session, f"Failed to create config '{one_line(entry.key)}'", failure, tally)
    except CommandFailed as failure:
        tally.error(session.fail(failure))


def fate(session: Session, entry: ConfigEntry) -> str:
    """`create`, `update` or `unchanged`: what an apply would do. Raises CommandFailed."""
    name = one_line(entry.name)
    response = _ask(session, entry, name)
    if response.status == 404:
        return "create"
    found = _rows(session, response, name)
    if not found:
        return "create"
    return "unchanged" if _holds(found[0], entry) else "update"


def _apply(session: Session, entry: ConfigEntry, name: str) -> None:
    response = noted(session, name, session.client.post("configs", body=entry.body))
    if response.ok:
        session.print(f"Config '{name}' created in namespace '{one_line(entry.namespace)}'", GREEN)
        return
    if response.status != 409:
        raise write_failed(f"Failed to create config '{name}'", response)
    stored = _stored(session, entry, name)
    if _holds(stored, entry):
        session.print(f"Config '{name}' already exists, skipping")
        return
    session.print(f"Config '{name}' already exists, updating")
    _update(session, entry, name, str(stored.get("id")))


def _stored(session: Session, entry: ConfigEntry, name: str) -> Row:
    """What the server has under that name. Raises CommandFailed."""
    found = _rows(session, _ask(session, entry, name), name)
    if not found:
        namespace = one_line(entry.namespace)
        raise CommandFailed(
            f"{_looking(name)}: the server says that it exists in namespace '{namespace}', "
            "but it was not found there"
        )
    return found[0]


def _ask(session: Session, entry: ConfigEntry, name: str) -> Response:
    query = [("namespace", entry.namespace), ("name", entry.name)]
    return noted(session, name, session.client.get("configs", query=query))


def _rows(session: Session, response: Response, name: str) -> list[Row]:
    if not response.ok:
        raise write_failed(_looking(name), response)
    return objects(session.client.decode(response))


def _looking(name: str) -> str:
    return f"Failed to look up existing config '{name}'"


def _update(session: Session, entry: ConfigEntry, name: str, config_id: str) -> None:
    response = session.client.put("configs", config_id, body=entry.body)
    if not noted(session, name, response).ok:
        raise write_failed(f"Failed to update config '{name}'", response)
    session.print(f"Config '{name}' updated in namespace '{one_line(entry.namespace)}'", GREEN)


def _holds(stored: Row, entry: ConfigEntry) -> bool:
    """Whether a write would change nothing."""
    return all(
        _same(str(stored.get(member) or ""), str(entry.body.get(member, "")))
        for member in ("data", "labels")
    )


def _same(one: str, other: str) -> bool:
    """Equal as JSON where both are JSON, else as text."""
    if one == other:
        return True
    try:
        return _tagged(parse(one)) == _tagged(parse(other))
    except ValueError:
        return False


def _tagged(value: object) -> object:
    """The value with what Python takes for the same number kept apart: true is not 1."""
    if isinstance(value, dict):
        return {key: _tagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    return (isinstance(value, bool), value)
