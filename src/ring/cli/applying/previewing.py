"""The dry run: what an apply would send, and what the server would refuse, without asking it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ring.cli.applying.deployments import (
    is_sendable,
    show_configuration,
    warn_of_ignored,
)
from ring.cli.applying.pruning import namespaces_of
from ring.cli.applying.tally import Tally
from ring.cli.failures import GENERAL, CommandFailed
from ring.cli.problems import violation_lines
from ring.cli.text import one_line

if TYPE_CHECKING:
    from ring.cli.applying import Choices
    from ring.cli.session import Session
    from ring.manifest import Entry, Manifest


def preview_manifest(session: Session, manifest: Manifest, choices: Choices) -> int:
    """Show what would be done; the exit code, 1 when something would be refused."""
    tally = Tally()
    for namespace in manifest.namespaces:
        session.print(f"DRY RUN - Would create namespace '{one_line(namespace.name)}'")
    for config in manifest.configs:
        where = one_line(config.namespace)
        session.print(
            f"DRY RUN - Would create config '{one_line(config.name)}' in namespace '{where}'"
        )
    for entry in manifest.deployments:
        session.print(f"Processing deployment '{one_line(entry.key)}'")
        if is_sendable(session, entry, tally):
            warn_of_ignored(session, entry)
            _preview(session, entry, choices)
            _check(session, entry, tally)
    if choices.prune:
        _prune(session, manifest)
    tally.summary(session)
    session.print("\nDRY RUN COMPLETE - No actual changes were made")
    session.print("To deploy for real, remove the --dry-run flag")
    return tally.end(session)


def _preview(session: Session, entry: Entry, choices: Choices) -> None:
    session.print(f"DRY RUN - Deployment '{one_line(entry.name)}'")
    session.print(f"Would POST to: {session.context.base_url}/deployments")
    if choices.force:
        session.print("Force mode enabled")
    if choices.verbose:
        show_configuration(session, entry)
    session.print("---")


def _prune(session: Session, manifest: Manifest) -> None:
    session.print(
        f"DRY RUN - Would delete deployments of manifest '{one_line(manifest.name)}' that it does "
        f"not declare, in namespaces: {one_line(', '.join(namespaces_of(manifest)))}"
    )


def _check(session: Session, entry: Entry, tally: Tally) -> None:
    from ring.core.checking import check  # pydantic's weight is for a dry run alone

    checked = check(json.dumps(entry.body, ensure_ascii=False), None)
    if not checked.violations:
        tally.successful += 1
        return
    found = ((violation.path, violation.message) for violation in checked.violations)
    title = f"Unable to apply deployment '{one_line(entry.name)}': Validation failed (dry run)"
    session.fail(CommandFailed("\n".join([title, *violation_lines(found)])))
    tally.failed += 1
    tally.error(GENERAL)
