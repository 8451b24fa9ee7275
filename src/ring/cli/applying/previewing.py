"""The dry run: what an apply would send, what is wrong with it, and what the server would do.

The server is asked where it can be; without it the rules that need none are still gone through.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ring.cli.applying import comparing, configs, namespaces
from ring.cli.applying.deployments import (
    is_sendable,
    show_configuration,
    warn_of_ignored,
)
from ring.cli.applying.differing import CHANGES
from ring.cli.applying.pruning import left_behind, namespaces_of, qualified
from ring.cli.applying.tally import Tally
from ring.cli.failures import GENERAL, CommandFailed
from ring.cli.problems import violation_lines
from ring.cli.text import one_line
from ring.core.errors import RingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.cli.applying import Choices
    from ring.cli.rows import Row
    from ring.cli.session import Session
    from ring.manifest import Entry, Manifest


T = TypeVar("T")

_REFUSALS = frozenset({400, 409, 413, 422})
"""About the entry itself; any other failure is about asking."""


def preview_manifest(session: Session, manifest: Manifest, choices: Choices) -> int:
    """Show what would be done; the exit code, 1 when something would be refused."""
    tally = Tally()
    server = _Server(session, choices)
    for namespace in manifest.namespaces:
        session.print(f"DRY RUN - Would create namespace '{one_line(namespace.name)}'")
        server.note(partial(namespaces.fate, session, namespace))
    for config in manifest.configs:
        where = one_line(config.namespace)
        session.print(
            f"DRY RUN - Would create config '{one_line(config.name)}' in namespace '{where}'"
        )
        server.note(partial(configs.fate, session, config))
    for entry in manifest.deployments:
        session.print(f"Processing deployment '{one_line(entry.key)}'")
        if is_sendable(session, entry, tally):
            warn_of_ignored(session, entry)
            _preview(session, entry, choices)
            if _check(session, entry, tally):
                _ask(session, server, entry, tally)
    if choices.prune:
        _prune(session, server, manifest)
    tally.summary(session)
    session.print("\nDRY RUN COMPLETE - No actual changes were made")
    session.print("To deploy for real, remove the --dry-run flag")
    return tally.end(session) or server.verdict()


class _Server:
    """The server's own answers, as long as it gives any; that it gives none is said once."""

    def __init__(self, session: Session, choices: Choices) -> None:
        self._session = session
        self._choices = choices
        self._is_away = False
        self._changes = False

    def diff(self, entry: Entry) -> Row | None:
        """What it would do; None when it cannot be asked. Raises CommandFailed for a refusal."""
        response = self._try(lambda: comparing.ask(self._session, entry, self._choices))
        if response is None:
            return None
        if not response.ok and response.status not in _REFUSALS:
            self._leave(f"the server answered {response.status}")
            return None
        context = f"Unable to apply deployment '{one_line(entry.name)}'"
        answer = comparing.answer_of(self._session, entry, response, context)
        self._changes |= answer.get("action") != comparing.UNCHANGED
        return answer

    def note(self, fate: Callable[[], str]) -> None:
        """Find out whether an entry would change anything, if the exit code is to tell."""
        if self._choices.tells:
            self._changes |= self._try(fate) not in {None, comparing.UNCHANGED}

    def left_behind(self, manifest: Manifest) -> list[Row]:
        """What would be pruned; nothing when it cannot be asked."""
        rows = self._try(lambda: left_behind(self._session, manifest)) or []
        self._changes |= bool(rows)
        return rows

    def verdict(self) -> int:
        """The exit code of a run without an error."""
        if not self._choices.tells:
            return 0
        if self._is_away:
            self._session.err.line("error: only the server can tell whether anything would change")
            return GENERAL
        return CHANGES if self._changes else 0

    def _try(self, act: Callable[[], T]) -> T | None:
        if self._is_away:
            return None
        try:
            return act()
        except RingError as failure:
            self._leave(failure.message.removeprefix("error: "))
            return None

    def _leave(self, why: str) -> None:
        self._is_away = True
        self._session.warn(f"offline preview: {why.splitlines()[0]}")


def _preview(session: Session, entry: Entry, choices: Choices) -> None:
    session.print(f"DRY RUN - Deployment '{one_line(entry.name)}'")
    session.print(f"Would POST to: {session.context.base_url}/deployments")
    if choices.force:
        session.print("Force mode enabled")
    if choices.verbose:
        show_configuration(session, entry)
    session.print("---")


def _check(session: Session, entry: Entry, tally: Tally) -> bool:
    """Whether the rules that need no server have nothing against an entry; says what they have."""
    from ring.core.checking import check  # pydantic's weight is for a dry run alone

    checked = check(json.dumps(entry.body, ensure_ascii=False), None)
    if not checked.violations:
        return True
    found = ((violation.path, violation.message) for violation in checked.violations)
    title = f"Unable to apply deployment '{one_line(entry.name)}': Validation failed (dry run)"
    session.fail(CommandFailed("\n".join([title, *violation_lines(found)])))
    tally.failed += 1
    tally.error(GENERAL)
    return False


def _ask(session: Session, server: _Server, entry: Entry, tally: Tally) -> None:
    try:
        answer = server.diff(entry)
    except CommandFailed as failure:
        tally.failed += 1
        tally.error(session.fail(failure))
        return
    tally.successful += 1
    if answer is not None:
        name = f"{entry.namespace}/{entry.name}"
        session.out.line(comparing.headline(name, answer, session.out))
        for line in comparing.field_lines(answer, session.out):
            session.out.line(line)


def _prune(session: Session, server: _Server, manifest: Manifest) -> None:
    session.print(
        f"DRY RUN - Would delete deployments of manifest '{one_line(manifest.name)}' that it does "
        f"not declare, in namespaces: {one_line(', '.join(namespaces_of(manifest)))}"
    )
    for row in server.left_behind(manifest):
        session.print(f"  - {qualified(row)} ({one_line(row.get('id'))})")
