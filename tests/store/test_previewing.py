"""A preview tells what an apply then does, whatever is there, and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ring.core.errors import Denied
from ring.core.model.status import Status
from ring.store.store import Store
from ring.store.trouble import StoreError
from tests.store.builders import (
    BOUND,
    MIRA,
    WEB,
    ManualClock,
    accepted,
    audit,
    changed,
    contents,
    done,
    memory_store,
    reasons,
    spec,
    sql,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ring.store.previewing import Preview

CHECK = {"type": "tcp", "port": 80, "interval": "5s", "timeout": "1s", "on_failure": "alert"}
WORD, OTHER = "hunter2-canary", "hunter3-canary"

MEMBERS = st.fixed_dictionaries(
    {
        "image": st.sampled_from(["nginx:1", "nginx:2"]),
        "health_checks": st.sampled_from([[], [CHECK]]),
    },
    optional={
        "replicas": st.integers(0, 2),
        "manifest": st.sampled_from(["one", "two"]),
        "kind": st.sampled_from(["worker", "job"]),
        "ports": st.sampled_from([[], [{"published": 80, "target": 80}]]),
        "config": st.sampled_from([{"password": WORD}, {"password": OTHER}]),
        "environment": st.sampled_from([{}, {"DB": {"secretRef": "db"}}]),
    },
)
STATES = st.sampled_from(
    [
        {},
        {"status": Status.RUNNING, "was_running": True},
        {"status": Status.RUNNING, "was_running": True, "stopped": True},
        {"status": Status.CREATING, "stopped": True},
        {"status": Status.COMPLETED, "halt_reason": "completed"},
        {"status": Status.FAILED, "halt_reason": "never ready"},
        {"status": Status.CRASH_LOOP_BACK_OFF},
        {"status": Status.DELETED},
    ]
)
BEFORE = st.lists(st.tuples(MEMBERS, STATES), max_size=3)
HOW = st.sampled_from([{}, {"if_changed": True}, {"force": True}])


def _put(store: Store, members: dict[str, Any], state: dict[str, Any]) -> None:
    row = accepted(store, **members)
    if state:
        assert done(store.commit(changed(row, **state)))


def _everything(store: Store) -> list[object]:
    tables = sql(store, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [
        [tuple(row) for row in sql(store, f"SELECT * FROM {table['name']}")]  # noqa: S608 - names
        for table in tables
    ]


def _done(store: Store, answer: Preview, **asked: Any) -> None:
    """What then happens is what was told."""
    before = {row.id for row in store.rows(WEB)}
    result = done(store.accept(spec(**asked.pop("members")), MIRA, **asked))
    row = result.deployment
    assert row.revision == answer.revision
    match answer.action:
        case "unchanged":
            assert (result.change, row.id) == ("unchanged", answer.deployment_id)
            assert answer.changes == ()
        case "scale":
            assert (result.change, row.id) == ("scaled", answer.deployment_id)
            assert {change.path for change in answer.changes} <= {"replicas", "stopped"}
            assert answer.changes != ()
        case action:
            assert (result.change, row.id in before) == ("created", False)
            assert (row.parent_id is not None) is (action == "roll")
            assert (answer.deployment_id is None) is (action == "create")
            assert ("force_replace" in reasons(store, row)) is (action == "replace")
            assert answer.changes != () or not asked.get("if_changed")
    told = [event.message for event in store.events(row.id, level=None, limit=100)]
    if answer.reason is not None:
        assert any(message.endswith(f"at once: {answer.reason}") for message in told)


@settings(max_examples=300, deadline=None)
@given(before=BEFORE, after=MEMBERS, how=HOW, moved=st.booleans(), renewed=st.booleans())
def test_an_apply_does_what_its_preview_told(
    before: list[tuple[dict[str, Any], dict[str, Any]]],
    after: dict[str, Any],
    how: dict[str, bool],
    *,
    moved: bool,
    renewed: bool,
) -> None:
    store = memory_store()
    done(store.create_namespace("media", MIRA))
    secret = done(store.secrets.create("media", "db", "value", MIRA))
    for members, state in before:
        _put(store, members, state)
    if renewed:
        done(store.secrets.replace(secret.id, "another", MIRA))
    asked: dict[str, Any] = {**how, "image_moved": moved}
    whole = _everything(store), contents(store)

    answer = store.preview(spec(**after), MIRA, **asked)

    assert (_everything(store), contents(store)) == whole
    assert WORD not in repr(answer)
    assert OTHER not in repr(answer)
    _done(store, answer, members=after, **asked)
    done(store.close())


def test_what_a_changed_secret_password_and_tag_look_like(store: Store) -> None:
    done(store.create_namespace("media", MIRA))
    secret = done(store.secrets.create("media", "db", "value", MIRA))
    members: dict[str, Any] = {"environment": {"DB": {"secretRef": "db"}}}
    accepted(store, **members, config={"password": WORD})
    done(store.secrets.replace(secret.id, "another", MIRA))
    answer = store.preview(
        spec(**members, config={"password": OTHER}), MIRA, if_changed=True, image_moved=True
    )
    assert answer.action == "replace"
    assert [change.path for change in answer.changes] == [
        "environment.DB (secret 'db' has changed)",
        "config.password (has changed)",
        "image (the tag has moved)",
    ]


@pytest.mark.parametrize(
    ("state", "after", "action", "paths"),
    [
        ({"stopped": True}, {}, "scale", ["stopped"]),
        ({"stopped": True}, {"replicas": 2}, "scale", ["replicas", "stopped"]),
        ({"stopped": True}, {"image": "nginx:2"}, "replace", ["image", "stopped"]),
        (
            {"status": Status.CRASH_LOOP_BACK_OFF},
            {},
            "replace",
            ["status (crash_loop_back_off: it is made anew)"],
        ),
        ({"status": Status.FAILED}, {"image": "nginx:2"}, "replace", ["image"]),
    ],
)
def test_what_is_done_has_its_reason_among_the_changes(
    store: Store, state: dict[str, Any], after: dict[str, Any], action: str, paths: list[str]
) -> None:
    row = accepted(store)
    assert done(store.commit(changed(row, **{"status": Status.RUNNING, **state})))
    answer = store.preview(spec(**after), MIRA, if_changed=True)
    assert (answer.action, [change.path for change in answer.changes]) == (action, paths)


def test_who_may_not_make_the_namespace_is_told_so(store: Store) -> None:
    with pytest.raises(Denied, match="token may not create namespace 'media'"):
        store.preview(spec(), BOUND)
    assert audit(store) == []


def test_a_rollout_compares_with_what_was_asked_for_last(store: Store) -> None:
    parent = accepted(store, health_checks=[CHECK])
    done(store.commit(changed(parent, status=Status.RUNNING, was_running=True)))
    child = accepted(store, image="nginx:2", health_checks=[CHECK])
    answer = store.preview(spec(image="nginx:3", health_checks=[CHECK]), MIRA, if_changed=True)
    assert (answer.action, answer.deployment_id, answer.revision) == ("roll", child.id, 3)
    assert [change.before for change in answer.changes] == ["nginx:2"]


def test_a_reader_of_a_file_cannot_write(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "ring.db", ManualClock(), inline=True)
    with pytest.raises(StoreError, match="readonly"):
        store._door.look(lambda tx: tx.connection.execute("DELETE FROM deployment"))
    row = accepted(store)
    answer = store.preview(spec(), MIRA, if_changed=True)
    assert (answer.action, answer.deployment_id) == ("unchanged", row.id)
    done(store.delete(row.id, MIRA))
    assert store.preview(spec(), MIRA).action == "create"
    done(store.close())
