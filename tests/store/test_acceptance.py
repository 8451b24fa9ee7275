"""Accepting, scaling, replacing and deleting deployments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict, Denied
from ring.core.model.events import Level
from ring.core.model.ids import DeploymentId
from ring.core.model.spec import canonical, fingerprint
from ring.core.model.status import Status
from tests.store.builders import (
    BOUND,
    MIRA,
    START,
    WEB,
    ManualClock,
    accepted,
    audit,
    changed,
    contents,
    current,
    done,
    event,
    reasons,
    spec,
    sql,
)

if TYPE_CHECKING:
    from ring.store.store import Store


CHECK = {"type": "tcp", "port": 80, "interval": "1s", "timeout": "1s", "on_failure": "alert"}
CHECKED: dict[str, object] = {"health_checks": [CHECK]}


def test_a_first_row(store: Store) -> None:
    result = done(store.accept(spec(replicas=2), MIRA))

    row = result.deployment
    assert result.change == "created"
    assert result.scaled_from is None
    assert row.spec == spec(replicas=2)
    assert (row.status, row.revision, row.author) == (Status.CREATING, 1, "user-mira")
    assert (row.created_at, row.updated_at, row.last_event_at) == (START, None, START)
    assert (row.parent_id, row.restart_count, row.halt_reason) == (None, 0, None)
    assert store.rows(WEB) == (row,)
    assert store.deployment(row.id) == row
    stored = sql(store, "SELECT spec, spec_hash FROM deployment WHERE id = ?", row.id)[0]
    assert tuple(stored) == (canonical(row.spec), fingerprint(row.spec))


def test_the_events_and_the_audit_of_a_first_row(store: Store) -> None:
    row = done(store.accept(spec(), MIRA, unknown_fields=["replica", "ports[0].x"])).deployment

    warning, created = store.events(row.id, level=None, limit=10)
    assert (created.reason, created.level, created.component) == (
        "deployment_created",
        Level.INFO,
        "api",
    )
    assert (warning.reason, warning.level) == ("unknown_fields", Level.WARNING)
    assert "replica, ports[0].x" in warning.message
    assert audit(store) == [
        ("create", "namespace", "media", "media", "user-mira"),
        ("create", "deployment", "web", "media", "user-mira"),
    ]


def test_labels_that_are_rings_own_are_told(store: Store) -> None:
    labels = {"ring.server": "x", "ring.kind": "x", "ring.team": "x", "team": "x"}
    row = done(store.accept(spec(labels=labels), MIRA)).deployment

    (warning,) = store.events(row.id, level=Level.WARNING, limit=10)
    assert (warning.reason, warning.component) == ("ignored_labels", "api")
    assert warning.message.endswith(": labels.ring.kind, labels.ring.server")
    assert row.spec.labels == labels


def test_a_missing_namespace_is_made_only_for_those_who_may(store: Store) -> None:
    with pytest.raises(Denied, match="token may not create namespace 'media'"):
        done(store.accept(spec(), BOUND))
    assert store.namespaces() == ()
    assert store.deployments() == ()
    assert audit(store) == []

    done(store.create_namespace("media", MIRA))
    assert done(store.accept(spec(), BOUND)).change == "created"


def test_a_second_row_replaces_the_first(store: Store, clock: ManualClock) -> None:
    old = accepted(store)
    clock.advance(5)
    new = done(store.accept(spec(image="nginx:1.26"), MIRA)).deployment

    replaced = current(store, old)
    assert replaced.status is Status.DELETED
    assert replaced.updated_at == clock.wall()
    assert replaced.version == old.version + 1
    assert (new.revision, new.parent_id, new.status) == (2, None, Status.CREATING)
    assert store.rows(WEB) == (replaced, new)
    assert reasons(store, new) == ["force_replace", "deployment_created"]
    warning = store.events(new.id, level=Level.WARNING, limit=10)[0]
    assert old.id in warning.message
    assert "no health checks" in warning.message
    assert [entry[0] for entry in audit(store)] == ["create", "create", "create"]


@pytest.mark.parametrize(
    ("members", "force", "token"),
    [({}, True, "force=true"), ({"kind": "job"}, False, "job"), ({}, False, "no health checks")],
)
def test_the_reason_of_a_replacement_is_told(
    store: Store, members: dict[str, object], force: bool, token: str
) -> None:
    accepted(store)
    new = done(store.accept(spec(**members), MIRA, force=force)).deployment
    assert token in store.events(new.id, level=Level.WARNING, limit=1)[0].message


def test_an_unchanged_row_is_left_alone(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    before, written = contents(store), audit(store)
    clock.advance(5)

    result = done(store.accept(spec(), MIRA, if_changed=True))

    assert (result.deployment, result.change) == (row, "unchanged")
    assert (contents(store), audit(store)) == (before, written)
    assert contents(store.reopen()) == before


def test_another_manifest_name_is_stored_on_the_same_row(store: Store) -> None:
    row = accepted(store, manifest="shop")

    result = done(store.accept(spec(manifest="store"), MIRA, if_changed=True))

    assert result.change == "unchanged"
    assert result.deployment.id == row.id
    assert result.deployment.revision == 1
    assert result.deployment.spec.manifest == "store"
    assert store.reopen().deployments() == (result.deployment,)


def test_another_count_scales_the_same_row(store: Store, clock: ManualClock) -> None:
    row = accepted(store, replicas=2)
    assert done(store.commit(changed(row, status=Status.RUNNING, retired_count=1)))
    clock.advance(5)

    result = done(store.accept(spec(replicas=5), MIRA, if_changed=True))

    scaled = result.deployment
    assert (result.change, result.scaled_from) == ("scaled", 2)
    assert (scaled.id, scaled.revision, scaled.status) == (row.id, 2, Status.RUNNING)
    assert (scaled.spec.replicas, scaled.retired_count, scaled.target) == (5, 0, 5)
    assert scaled.updated_at == scaled.last_event_at == clock.wall()
    assert store.rows(WEB) == (scaled,) == store.reopen().rows(WEB)
    newest = store.events(row.id, level=None, limit=1)[0]
    assert (newest.reason, newest.level, newest.component, newest.message) == (
        "scaled",
        Level.INFO,
        "api",
        "Scaled from 2 to 5 replicas",
    )
    assert audit(store)[-1] == ("scale", "deployment", "web", "media", "user-mira")


def test_revisions_go_on_while_a_row_of_the_group_is_there(store: Store) -> None:
    first = accepted(store)
    scaled = done(store.accept(spec(replicas=3), MIRA, if_changed=True)).deployment
    second = accepted(store, image="nginx:1.26")
    gone = current(store, first)
    assert done(store.commit(replace(changed(gone), rows=(), purge=(gone,))))
    third = accepted(store, image="nginx:1.27")
    other = accepted(store, name="api")

    assert [row.revision for row in (first, scaled, second, third, other)] == [1, 2, 3, 4, 1]


def test_the_index_has_the_last_word_on_a_second_active_row(store: Store) -> None:
    row = accepted(store)
    before, written = contents(store), audit(store)
    sql(
        store,
        "CREATE TEMP TRIGGER keep_alive BEFORE UPDATE ON deployment"
        " BEGIN SELECT raise(IGNORE); END",
    )

    with pytest.raises(Conflict) as refused:
        done(store.accept(spec(image="nginx:1.26"), MIRA))

    assert refused.value.message == (
        "A deployment with name 'web' already exists in namespace 'media'"
    )
    assert store.rows(WEB) == (row,)
    assert (contents(store), audit(store)) == (before, written)


def test_deleting_marks_once(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    clock.advance(5)

    deleted = done(store.delete(row.id, MIRA))

    assert deleted is not None
    assert deleted.status is Status.DELETED
    assert deleted.updated_at == clock.wall()
    assert store.rows(WEB) == (deleted,)
    assert audit(store)[-1] == ("delete", "deployment", "web", "media", "user-mira")
    written = audit(store)
    assert done(store.delete(row.id, MIRA)) == deleted
    assert audit(store) == written


def test_deleting_what_is_not_there(store: Store) -> None:
    assert done(store.delete(DeploymentId("nobody"), MIRA)) is None
    assert audit(store) == []


def test_a_deleted_row_does_not_stand_in_the_way(store: Store) -> None:
    row = accepted(store)
    done(store.delete(row.id, MIRA))
    again = done(store.accept(spec(), MIRA, if_changed=True))
    assert again.change == "created"
    assert reasons(store, again.deployment) == ["deployment_created"]
    assert again.deployment.revision == 2


def test_events_of_replaced_rows_stay_with_them(store: Store) -> None:
    old = accepted(store)
    done(store.record([event(old.id)]))
    new = accepted(store)
    assert reasons(store, old) == ["runtime_unavailable", "deployment_created"]
    assert reasons(store, new) == ["force_replace", "deployment_created"]


def test_a_new_spec_with_a_health_check_rolls(store: Store) -> None:
    parent = accepted(store)
    child = done(store.accept(spec(**CHECKED), MIRA)).deployment

    assert (child.parent_id, child.revision, child.status) == (parent.id, 2, Status.CREATING)
    assert (child.restart_count, child.drain_target) == (0, None)
    assert current(store, parent) == parent
    assert store.rows(WEB) == (parent, child)
    assert reasons(store, child) == ["deployment_created"]


def test_a_child_on_its_way_is_superseded(store: Store) -> None:
    parent = accepted(store)
    done(store.commit(changed(parent, drain_target=0)))
    child = done(store.accept(spec(**CHECKED), MIRA)).deployment
    next_one = done(store.accept(spec(image="nginx:1.27", **CHECKED), MIRA)).deployment

    assert current(store, child).status is Status.DELETED
    assert current(store, parent).drain_target == 0
    assert next_one.parent_id == parent.id
    assert reasons(store, next_one) == ["rolling_update_superseded", "deployment_created"]
    (warning,) = store.events(next_one.id, level=Level.WARNING, limit=10)
    assert warning.component == "api"
    assert child.id in warning.message


def test_a_child_that_failed_goes_without_a_word(store: Store) -> None:
    parent = accepted(store)
    child = done(store.accept(spec(**CHECKED), MIRA)).deployment
    done(store.commit(changed(child, status=Status.FAILED)))
    next_one = done(store.accept(spec(image="nginx:1.27", **CHECKED), MIRA)).deployment

    assert current(store, child).status is Status.DELETED
    assert next_one.parent_id == parent.id
    assert reasons(store, next_one) == ["deployment_created"]


def test_a_root_row_without_a_row_of_its_parent_is_rolled_from(store: Store) -> None:
    parent = accepted(store)
    child = done(store.accept(spec(**CHECKED), MIRA)).deployment
    done(store.delete(parent.id, MIRA))
    next_one = done(store.accept(spec(image="nginx:1.27", **CHECKED), MIRA)).deployment

    assert next_one.parent_id == child.id
    assert current(store, child).parent_id == parent.id


def test_the_reached_count_is_inherited_and_the_rest_after_it(store: Store) -> None:
    policy: dict[str, object] = {"autoscale": {"min": 1, "max": 9, "target_cpu": 50.0}}
    first = accepted(store, **policy)
    at = first.created_at
    done(store.commit(changed(first, desired_replicas=4, last_scaled_at=at)))
    rolled = done(store.accept(spec(**policy, **CHECKED), MIRA)).deployment
    assert (rolled.parent_id, rolled.desired_replicas, rolled.last_scaled_at) == (first.id, 4, at)
    replaced = done(store.accept(spec(**policy), MIRA)).deployment
    assert (replaced.parent_id, replaced.desired_replicas, replaced.last_scaled_at) == (None, 4, at)
    assert done(store.accept(spec(), MIRA)).deployment.desired_replicas is None


def test_whose_network_is_shared_is_replaced_at_once(store: Store) -> None:
    accepted(store)
    sidecar = {"name": "tap", "network": {"mode": "shared", "share": "web"}}
    done(store.accept(spec(**sidecar), MIRA))
    new = done(store.accept(spec(**CHECKED), MIRA)).deployment
    (warning,) = store.events(new.id, level=Level.WARNING, limit=10)
    assert new.parent_id is None
    assert "shared network" in warning.message


def test_an_unchanged_apply_starts_what_is_stopped(store: Store) -> None:
    row = accepted(store, replicas=2)
    done(store.commit(changed(row, stopped=True, status=Status.RUNNING)))

    result = done(store.accept(spec(replicas=2), MIRA, if_changed=True))

    assert (result.change, result.scaled_from, result.scaled_to) == ("scaled", 0, 2)
    assert (result.deployment.id, result.deployment.stopped) == (row.id, False)
    assert result.deployment.revision == 1
    assert reasons(store, row)[0] == "scaled"
