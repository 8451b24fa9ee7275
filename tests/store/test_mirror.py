"""Whatever is done to a store, the mirror says what a fresh start would read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ring.core.errors import Denied
from ring.core.model.ids import GroupKey, InstanceName
from ring.core.model.ledger import Phase
from ring.core.model.operations import StartInstance
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from tests.store.builders import (
    BOUND,
    MIRA,
    ManualClock,
    contents,
    done,
    entry,
    event,
    memory_store,
    spec,
)

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment

NAMES = st.sampled_from(["web", "api"])
NAMESPACES = st.sampled_from(["media", "prod"])
STATUSES = st.sampled_from([Status.RUNNING, Status.COMPLETED, Status.ERROR])
INDEX = st.integers(min_value=0, max_value=7)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = memory_store(self.clock)
        self.known: list[Deployment] = []
        """Rows as once seen, by now perhaps stale or purged."""

    def teardown(self) -> None:
        done(self.store.close())

    def pick(self, index: int) -> Deployment:
        return self.known[index % len(self.known)]

    def is_current(self, row: Deployment) -> bool:
        found = self.store.deployment(row.id)
        return found is not None and found.version == row.version

    @rule(
        name=NAMES,
        namespace=NAMESPACES,
        replicas=st.integers(min_value=0, max_value=3),
        manifest=st.sampled_from([None, "shop"]),
        if_changed=st.booleans(),
        force=st.booleans(),
        author=st.sampled_from([MIRA, BOUND]),
    )
    def accept(
        self,
        *,
        name: str,
        namespace: str,
        replicas: int,
        manifest: str | None,
        if_changed: bool,
        force: bool,
        author: object,
    ) -> None:
        is_missing = self.store.namespace(namespace) is None
        wanted = spec(name=name, namespace=namespace, replicas=replicas, manifest=manifest)
        try:
            result = done(
                self.store.accept(
                    wanted, BOUND if author is BOUND else MIRA, force=force, if_changed=if_changed
                )
            )
        except Denied:
            assert is_missing
            assert author is BOUND
            return
        assert result.deployment == self.store.rows(GroupKey(namespace, name))[-1]
        assert result.deployment.spec == wanted
        self.known.append(result.deployment)

    @precondition(lambda self: self.known)
    @rule(index=INDEX)
    def look(self, index: int) -> None:
        found = self.store.deployment(self.pick(index).id)
        if found is not None:
            self.known.append(found)

    @precondition(lambda self: self.known)
    @rule(index=INDEX)
    def delete(self, index: int) -> None:
        deleted = done(self.store.delete(self.pick(index).id, MIRA))
        assert deleted is None or deleted.is_deleted

    @precondition(lambda self: self.known)
    @rule(index=INDEX, other=INDEX, status=STATUSES, count=INDEX, drop=INDEX)
    def commit(self, *, index: int, other: int, status: Status, count: int, drop: int) -> None:
        row, started = self.pick(index), self.pick(other)
        status = Status.DELETED if row.is_deleted else status
        put = entry(started, f"{count:08x}", Phase.LIVE)
        plan = Plan(
            rows=(RowChange(row, replace(row, status=status, restart_count=count)),),
            put_entries=(put,),
            drop_entries=(InstanceName(f"media_web_{drop:08x}"),),
            events=(event(row.id), event(started.id)),
            actions=(StartInstance(started.id, put.name),),
        )
        alive = self.store.deployment(started.id)
        expected = self.is_current(row) and alive is not None and not alive.is_deleted
        assert done(self.store.commit(plan)) is expected

    @precondition(lambda self: self.known)
    @rule(index=INDEX)
    def purge(self, index: int) -> None:
        row = self.pick(index)
        expected = self.is_current(row)
        assert done(self.store.commit(Plan(purge=(row,), events=(event(row.id),)))) is expected
        if expected:
            assert self.store.deployment(row.id) is None
            assert self.store.is_tombstone(row.id)

    @precondition(lambda self: self.known)
    @rule(index=INDEX)
    def record(self, index: int) -> None:
        done(self.store.record([event(self.pick(index).id)] * 2))

    @rule(seconds=st.sampled_from([0.000001, 200.0, 4 * 24 * 3600.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.store = self.store.reopen()

    @invariant()
    def the_mirror_is_what_is_stored(self) -> None:
        fresh = self.store.reopen()
        assert contents(self.store) == contents(fresh)
        for row in self.known:
            assert self.store.is_tombstone(row.id) is fresh.is_tombstone(row.id)

    @invariant()
    def groups_rows_and_ledger_fit_together(self) -> None:
        rows = self.store.deployments()
        assert sorted(self.store.groups()) == sorted({row.key for row in rows})
        for key in self.store.groups():
            members = self.store.rows(key)
            assert members == tuple(row for row in rows if row.key == key)
            ids = {row.id for row in members}
            assert all(put.deployment_id in ids for put in self.store.ledger(key).values())

    @invariant()
    def a_group_has_one_active_root_row(self) -> None:
        active = [row.key for row in self.store.deployments() if not row.is_deleted]
        assert len(active) == len(set(active))


StoreMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestStoreMachine = StoreMachine.TestCase
