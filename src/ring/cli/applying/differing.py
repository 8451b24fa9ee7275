"""`ring diff`: every entry of a manifest beside what the server has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ring.cli.applying import comparing, configs, namespaces
from ring.cli.applying.deployments import is_sendable, warn_of_ignored
from ring.cli.applying.pruning import left_behind
from ring.cli.applying.tally import Tally
from ring.cli.failures import Unreachable
from ring.cli.text import compact, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.cli.applying import Choices
    from ring.cli.rows import Row
    from ring.cli.session import Session
    from ring.manifest import Entry, Manifest

CHANGES = 2
"""The exit code that tells that something would change."""
KINDS = ("namespaces", "configs", "deployments", "deleted")


def diff_manifest(session: Session, manifest: Manifest, choices: Choices) -> int:
    """Show what an apply would change; the exit code is that of the first error.

    A server that does not answer is asked no further.
    """
    differing = _Differing(session, choices)
    try:
        for kind, row in differing.rows(manifest):
            differing.show(kind, row)
    except Unreachable as failure:
        return session.fail(failure)
    return differing.end()


class _Differing:
    def __init__(self, session: Session, choices: Choices) -> None:
        self._session = session
        self._choices = choices
        self._tally = Tally()
        self._actions: Counter[str] = Counter()
        self._found: dict[str, list[Row]] = {kind: [] for kind in KINDS}

    def rows(self, manifest: Manifest) -> Iterator[tuple[str, Row]]:
        """Each entry with its action, under its kind. What fails goes to the tally."""
        for namespace in manifest.namespaces:
            with self._tally.failures(self._session):
                action = namespaces.fate(self._session, namespace)
                yield "namespaces", {"name": namespace.name, "action": action}
        for config in manifest.configs:
            with self._tally.failures(self._session):
                named = {"namespace": config.namespace, "name": config.name}
                yield "configs", {**named, "action": configs.fate(self._session, config)}
        for entry in manifest.deployments:
            if is_sendable(self._session, entry, self._tally):
                with self._tally.failures(self._session):
                    yield "deployments", self._compare(entry)
        if self._choices.prune:
            with self._tally.failures(self._session):
                for row in left_behind(self._session, manifest):
                    yield "deleted", _deleted(row)

    def _compare(self, entry: Entry) -> Row:
        warn_of_ignored(self._session, entry)
        context = f"Unable to compare deployment '{one_line(entry.name)}'"
        response = comparing.ask(self._session, entry, self._choices)
        answer = comparing.answer_of(self._session, entry, response, context)
        return {"namespace": entry.namespace, "name": entry.name, **answer}

    def show(self, kind: str, row: Row) -> None:
        """One entry; beside JSON output it is kept for the end."""
        self._actions[one_line(row.get("action"))] += 1
        self._found[kind].append(row)
        if self._session.json:
            return
        out = self._session.out
        names = [one_line(row[key]) for key in ("namespace", "name") if key in row]
        name = "/".join(names)
        if kind in {"namespaces", "configs"}:
            out.line(comparing.line(f"{kind[:-1]} {name}", str(row.get("action")), out))
        elif kind == "deleted":
            out.line(comparing.line(name, "delete", out, " (not in the manifest)"))
        else:
            out.line(comparing.headline(name, row, out))
            for line in comparing.field_lines(row, out):
                out.line(line)

    def end(self) -> int:
        """The closing line; the exit code."""
        if self._session.json:
            self._session.out.line(compact(self._found))
        else:
            self._session.print(f"\nSummary: {self._counts()}")
        code = self._tally.end(self._session)
        changed = self._actions.total() > self._actions[comparing.UNCHANGED]
        return code or (CHANGES if self._choices.tells and changed else 0)

    def _counts(self) -> str:
        counted = [
            f"{self._actions[action]} {word}"
            for action, word in comparing.WORDS.items()
            if self._actions[action]
        ]
        return ", ".join(counted) or "nothing to compare"


def _deleted(row: Row) -> Row:
    return {**{key: row.get(key) for key in ("id", "namespace", "name")}, "action": "delete"}
