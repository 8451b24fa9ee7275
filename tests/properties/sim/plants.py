"""Bugs to plant: each must be found by the simulation, or it proves nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from ring.core.model.ledger import Phase
from ring.core.model.status import Status
from ring.core.plan import budget, deaths, failing, removal, scaling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey
    from ring.core.model.ledger import Entry
    from ring.core.plan.draft import RowDraft
    from ring.engine.reconciler import Reconciler


def count_before_reap() -> dict[str, object]:
    """Judges a death without marking it as judged: it is counted at every pass."""
    original = deaths._judge

    def judge(row: RowDraft, entry, instance, end):  # type: ignore[no-untyped-def]  # as patched
        missed = original(row, entry, instance, end)
        row.move(entry, Phase.LIVE)
        return missed

    return {"ring.core.plan.deaths._judge": judge}


def act_before_commit() -> dict[str, object]:
    """Begins what was planned before it is durable."""

    async def one_pass(self: Reconciler, key: GroupKey) -> None:
        view = self.view(key)
        from ring.core.plan.view import Now

        now = Now(self._clock.mono(), self._clock.wall())
        made = self._planner(view, now, self._names)
        self._apply(key, view, made)
        if made.writes and not await self._store.commit(made):
            self._wakeups.wake(key)

    return {"ring.engine.reconciler.Reconciler._pass": one_pass}


def forget_operations() -> dict[str, object]:
    """Does not count what is still being created."""
    return {"ring.core.plan.scaling.PRESENT": (Phase.SETTLING, Phase.LIVE)}


def stale_purge() -> dict[str, object]:
    """Purges on whatever listing there is, without looking at what it shows."""
    original = removal._purge

    def tear_down(row: RowDraft) -> None:
        since = row.draft.deleted_since.setdefault(row.row.id, row.now.mono)
        removal._mark(row)
        for entry in row.entries():
            row.drop(entry)
        row.draft.empty_since[row.row.id] = -1.0
        original(row, since)

    return {"ring.core.plan.removal.tear_down": tear_down}


def drain_unready() -> dict[str, object]:
    """Steps for any child that runs, however its checks stand."""

    def serves(child: RowDraft) -> bool:
        return child.row.status is Status.RUNNING

    def live(row: RowDraft) -> list[Entry]:
        return row.entries(Phase.LIVE)

    return {
        "ring.core.plan.rollouts._serves": serves,
        "ring.core.plan.gate.ready_instances": live,
    }


def open_gate() -> dict[str, object]:
    """Shows `running` without asking a readiness check."""
    return {"ring.core.plan.gate.opens": lambda _: True}


def fail_again() -> dict[str, object]:
    """Tells at every pass that a rollout has failed."""
    original = failing.end

    def end(child: RowDraft, rows: Sequence[Deployment], *, failed_now: bool) -> None:
        original(child, rows, failed_now=True)

    return {"ring.core.plan.failing.end": end}


def count_health_restarts() -> dict[str, object]:
    """Takes what a health check ends for a crash."""
    original = budget.restarted

    def restarted(row: RowDraft, entries: list[Entry]) -> None:
        original(row, entries)
        row.change(restart_count=row.row.restart_count + 1)

    return {"ring.core.plan.budget.restarted": restarted}


def run_jobs_again() -> dict[str, object]:
    """Makes up for a job's instance that is lost by another one."""
    return {"ring.core.plan.jobs._lose": lambda row, what: None}


def words_outlive() -> dict[str, object]:
    """Forgets what instances wrote when a row goes, and not when the last one does."""
    return {"ring.store.last_words.drop_orphaned": lambda tx, key: None}


def words_without_end() -> dict[str, object]:
    """Keeps the words of all deployments together, however much they are."""
    return {"ring.store.last_words._fit_size": lambda tx, size: None}


PLANTS: dict[str, Callable[[], dict[str, object]]] = {
    "count-before-reap": count_before_reap,
    "act-before-commit": act_before_commit,
    "forget-operations": forget_operations,
    "stale-purge": stale_purge,
    "drain-unready": drain_unready,
    "open-gate": open_gate,
    "fail-again": fail_again,
    "count-health-restarts": count_health_restarts,
    "run-jobs-again": run_jobs_again,
    "words-outlive": words_outlive,
    "words-without-end": words_without_end,
}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """The named bug is in the code for as long as this lasts."""
    patches = PLANTS[name]() if name is not None else {}
    active = [mock.patch(target, new) for target, new in patches.items()]
    for patch in active:
        patch.start()
    try:
        yield
    finally:
        for patch in active:
            patch.stop()


__all__ = ["PLANTS", "planted", "scaling"]
