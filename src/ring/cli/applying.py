"""Sends a manifest: every entry is tried in file order, whatever became of those before it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.cli.failures import GENERAL, CommandFailed, Unreachable
from ring.cli.problems import write_failed
from ring.cli.rows import Row, mapping, parse
from ring.cli.tally import Tally
from ring.cli.terminal import GREEN, RED
from ring.cli.text import one_line

if TYPE_CHECKING:
    from ring.cli.client import Response
    from ring.cli.session import Session
    from ring.manifest import Entry, Manifest, NamespaceEntry

_SCALED = re.compile(r"scaled; *from=([0-9]+); *to=([0-9]+)")
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Choices:
    """The flags of `ring apply` that change what is sent or shown."""

    force: bool = False
    redeploy: bool = False
    verbose: bool = False

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """What tells the server how to take a deployment."""
        if self.force:
            return (("force", "true"),)
        return () if self.redeploy else (("if_changed", "true"),)


def apply_manifest(session: Session, manifest: Manifest, choices: Choices) -> int:
    """Send everything, show how it went; the exit code of the first error."""
    tally = Tally()
    for namespace in manifest.namespaces:
        _create_namespace(session, namespace, tally)
    for entry in manifest.deployments:
        session.print(f"Processing deployment '{one_line(entry.key)}'")
        if choices.verbose:
            show_configuration(session, entry)
        if is_sendable(session, entry, tally):
            _send(session, entry, choices, tally)
    tally.summary(session)
    return tally.end(session)


def is_sendable(session: Session, entry: Entry, tally: Tally) -> bool:
    """Whether the client itself has nothing against an entry; says what it has."""
    if entry.problem is None:
        return True
    reason = f"Validation error: {one_line(entry.problem)}"
    session.warn(f"Skipping '{one_line(entry.key)}': {reason}")
    tally.failed += 1
    tally.error(GENERAL, reason)
    return False


def show_configuration(session: Session, entry: Entry) -> None:
    """The body of a deployment for reading, its registry password hidden."""
    body = entry.body
    config = mapping(body.get("config"))
    if "password" in config:
        body = {**body, "config": {**config, "password": _HIDDEN}}
    session.print("Configuration:")
    session.print(json.dumps(body, ensure_ascii=False, indent=2))


def _create_namespace(session: Session, entry: NamespaceEntry, tally: Tally) -> None:
    name = one_line(entry.name)
    try:
        response = session.client.post("namespaces", body=entry.body)
    except Unreachable as failure:
        _unreachable(session, f"Failed to create namespace '{one_line(entry.key)}'", failure, tally)
        return
    _warn(session, name, response.warnings)
    if response.ok:
        session.print(f"Namespace '{name}' created", GREEN)
    elif response.status == 409:
        session.print(f"Namespace '{name}' already exists, skipping")
    else:
        tally.error(session.fail(write_failed(f"Failed to create namespace '{name}'", response)))


def _send(session: Session, entry: Entry, choices: Choices, tally: Tally) -> None:
    name = one_line(entry.name)
    try:
        response = session.client.post("deployments", body=entry.body, query=choices.query)
    except Unreachable as failure:
        tally.failed += 1
        _unreachable(session, f"Failed to deploy '{one_line(entry.key)}'", failure, tally)
        return
    _warn(session, name, response.warnings)
    if not response.ok:
        tally.failed += 1
        failure_shown = write_failed(f"Unable to apply deployment '{name}'", response)
        tally.error(session.fail(failure_shown))
        return
    row = _row(response)
    if not row.get("id"):
        tally.failed += 1
        tally.error(session.fail(_no_deployment(session, name)))
        return
    tally.successful += 1
    session.print(f"Deployment '{name}' {_change(response)}", GREEN)
    if response.status == 201:
        _show_row(session, row)


def _change(response: Response) -> str:
    """What became of a deployment that was taken."""
    if response.status != 200:
        return "created"
    scaled = _SCALED.fullmatch(response.headers.get("x-ring-change", "").strip())
    return f"scaled from {scaled[1]} to {scaled[2]}" if scaled else "unchanged"


def _row(response: Response) -> Row:
    """The deployment of an answer; empty when it holds something else."""
    try:
        return mapping(parse(response.body))
    except ValueError:
        return {}


def _no_deployment(session: Session, name: str) -> CommandFailed:
    return CommandFailed(
        f"Unable to apply deployment '{name}': the answer of {session.client.base} "
        "is not a deployment: is this a Ring server?"
    )


def _show_row(session: Session, row: Row) -> None:
    session.print(f"  id: {one_line(row['id'])}")
    if row.get("parent_id"):
        session.print(f"  rolling update of {one_line(row['parent_id'])}")


def _unreachable(session: Session, context: str, failure: Unreachable, tally: Tally) -> None:
    reason = failure.message.removeprefix("error: ")
    session.err.line(f"{context}: {reason}", RED)
    tally.error(failure.code, reason)


def _warn(session: Session, name: str, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        session.warn(f"'{name}': {one_line(warning)}")
