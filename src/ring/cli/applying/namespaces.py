"""One namespace of a manifest: made, or given other network settings, or left as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.applying.sending import noted, unanswered
from ring.cli.failures import CommandFailed, Unreachable
from ring.cli.problems import write_failed
from ring.cli.rows import one_object
from ring.cli.terminal import GREEN
from ring.cli.text import one_line
from ring.manifest.namespace_network import same

if TYPE_CHECKING:
    from ring.cli.applying.tally import Tally
    from ring.cli.session import Session
    from ring.manifest import NamespaceEntry


def apply_namespace(session: Session, entry: NamespaceEntry, tally: Tally) -> None:
    """Send it and say what became of it; a failure goes to the tally."""
    try:
        _apply(session, entry, one_line(entry.name))
    except Unreachable as failure:
        unanswered(session, f"Failed to create namespace '{one_line(entry.key)}'", failure, tally)
    except CommandFailed as failure:
        tally.error(session.fail(failure))


def fate(session: Session, entry: NamespaceEntry) -> str:
    """`create`, `update` or `unchanged`: what an apply would do. Raises CommandFailed."""
    response = session.noted(session.client.get("namespaces", entry.name))
    if response.status == 404:
        return "create"
    if not response.ok:
        raise write_failed(f"Failed to look up namespace '{one_line(entry.name)}'", response)
    shown = one_object(session.client.decode(response)).get("network")
    same_network = "network" not in entry.body or same(entry.body["network"], shown)
    return "unchanged" if same_network else "update"


def _apply(session: Session, entry: NamespaceEntry, name: str) -> None:
    response = noted(session, name, session.client.post("namespaces", body=entry.body))
    if response.ok:
        session.print(f"Namespace '{name}' created", GREEN)
    elif response.status != 409:
        raise write_failed(f"Failed to create namespace '{name}'", response)
    elif _is_other(session, entry, name):
        _update(session, entry, name)
    else:
        session.print(f"Namespace '{name}' already exists, skipping")


def _is_other(session: Session, entry: NamespaceEntry, name: str) -> bool:
    """Whether the server has other network settings than a file that declares some."""
    if "network" not in entry.body:
        return False
    response = noted(session, name, session.client.get("namespaces", entry.name))
    if not response.ok:
        raise write_failed(f"Failed to update network of namespace '{name}'", response)
    shown = one_object(session.client.decode(response)).get("network")
    return not same(entry.body["network"], shown)


def _update(session: Session, entry: NamespaceEntry, name: str) -> None:
    network = entry.body["network"]
    response = session.client.put("namespaces", entry.name, "network", body=network)
    if not noted(session, name, response).ok:
        raise write_failed(f"Failed to update network of namespace '{name}'", response)
    session.print(f"Namespace '{name}' network updated", GREEN)
