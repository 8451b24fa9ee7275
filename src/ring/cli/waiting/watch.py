"""One deployment that is waited for: each look at it is what to show, or how the wait ends.

A deployment is followed by its group: a rolling update, or another apply, puts a newer row in the
place of the one that the wait began with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.cli.failures import GENERAL, NOT_FOUND, CommandFailed, item_failed
from ring.cli.following import cells
from ring.cli.problems import trouble
from ring.cli.rows import Row, members, objects, one_object, whole_number
from ring.cli.text import one_line
from ring.cli.waiting.subject import Goal

if TYPE_CHECKING:
    from ring.cli.client import Response
    from ring.cli.polling import PollingClient
    from ring.cli.waiting.subject import Subject

EVENTS = 3
"""Shown of a deployment that has failed."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look found."""

    text: str
    code: int | None = None
    """How the wait for this deployment ends; None: it goes on."""
    details: tuple[str, ...] = ()
    is_refusal: bool = False
    """The server would not say: the text is a sentence of its own."""


class Watch:
    def __init__(self, client: PollingClient, subject: Subject, goal: Goal) -> None:
        self.subject = subject
        self.id = subject.id
        self._client = client
        self._goal = goal
        self._revision = subject.revision
        """Of the newest row that was seen."""

    def look(self) -> Sight:
        """Ask once. Raises CommandFailed, Unreachable among them, where that tells nothing."""
        if self._goal is Goal.DELETED:
            return self._look_for_the_end()
        response = self._client.get("deployments", self.id, "why")
        if response.status == 404:
            return self._look_for_another()
        return self._judge(one_object(self._decoded(response)))

    def _look_for_the_end(self) -> Sight:
        response = self._client.get("deployments", self.id)
        if response.status == 404:
            return Sight("deleted", 0)
        row = one_object(self._decoded(response))
        left = len(members(row.get("instances")))
        return Sight(f"{one_line(row.get('status'))}, {left} left")

    def _look_for_another(self) -> Sight:
        query = [("namespace", self.subject.namespace), ("name", self.subject.name)]
        rows = [
            row
            for row in objects(self._decoded(self._client.get("deployments", query=query)))
            if row.get("status") != "deleted"
            and (row.get("namespace"), row.get("name"))
            == (self.subject.namespace, self.subject.name)
        ]
        newest = max(rows, key=lambda row: str(row.get("created_at")), default=None)
        if newest is None or newest.get("id") == self.id:
            return Sight("deleted meanwhile", NOT_FOUND)
        return self._go_on(str(newest.get("id")), whole_number(newest.get("revision")))

    def _judge(self, answer: Row) -> Sight:
        rows = [row for row in members(answer.get("rows")) if row.get("status") != "deleted"]
        newest = max(rows, key=lambda row: whole_number(row.get("revision")), default=None)
        if newest is None:
            return self._look_for_another()
        revision = whole_number(newest.get("revision"))
        if newest.get("id") != self.id:
            return self._go_on(str(newest.get("id")), revision)
        self._revision = max(self._revision, revision)
        return self._as_it_is(answer, newest)

    def _as_it_is(self, answer: Row, newest: Row) -> Sight:
        state = one_line(answer.get("state"))
        ready, target = whole_number(newest.get("ready")), whole_number(newest.get("target"))
        summary = one_line(answer.get("summary"))
        text = f"{state}, {ready}/{target} ready" + (f": {summary}" if summary else "")
        if state == "completed":
            return Sight("completed", 0)
        if state == "ready" and self._goal is Goal.READY:
            return Sight(f"ready, {ready}/{target}", 0)
        if state == "stopped":
            return Sight("stopped: `ring deployment start` has it run again", GENERAL)
        if state == "failed":
            return Sight(f"failed: {summary}", GENERAL, self._last_errors(self.id))
        return Sight(text)

    def _go_on(self, found: str, revision: int) -> Sight:
        """With the row that has taken the place of ours; a way back is a failure."""
        former, self.id = self.id, found
        if revision < self._revision or self._was_reverted(found):
            text = f"failed: rolled back to {found}"
            return Sight(text, GENERAL, self._last_errors(former) or self._last_errors(found))
        self._revision = revision
        return Sight(f"goes on as {one_line(found)}")

    def _was_reverted(self, found: str) -> bool:
        response = self._client.get("deployments", found, "revisions")
        if not response.ok:
            return False
        return any(
            row.get("deployment_id") == found and row.get("cause") == "auto_rollback"
            for row in objects(self._client.decode(response))
        )

    def _last_errors(self, of: str) -> tuple[str, ...]:
        query = [("level", "error"), ("limit", str(EVENTS))]
        response = self._client.get("deployments", of, "events", query=query)
        if not response.ok:
            return ()
        entries = reversed(objects(self._client.decode(response)))
        return tuple("  ".join(one_line(cell) for cell in cells(entry)) for entry in entries)

    def _decoded(self, response: Response) -> object:
        if not response.ok:
            failed = item_failed(
                "deployment", str(self.subject), response.status, trouble(response)
            )
            raise Trouble(failed.message, failed.code) if response.status >= 500 else failed
        return self._client.decode(response)


class Trouble(CommandFailed):
    """The server has an error of its own: it may be over soon."""
