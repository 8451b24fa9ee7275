"""Results of health checks, as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.world import World

KEYS = [
    "id",
    "deployment_id",
    "instance_id",
    "check_index",
    "check_type",
    "status",
    "message",
    "created_at",
    "started_at",
    "finished_at",
]


def result(world: World, deployment: str, number: int, **fields: object) -> str:
    """Stores one, begun at minute `number`; returns its id."""
    values = {
        "id": f"{deployment[:8]}-{number}",
        "deployment_id": deployment,
        "instance_id": "c0ffee",
        "check_index": 0,
        "check_type": "http",
        "status": "success",
        "message": None,
        "created_at": f"2027-03-02T08:{number:02d}:01.000000Z",
        "started_at": f"2027-03-02T08:{number:02d}:00.000000Z",
        "finished_at": f"2027-03-02T08:{number:02d}:00.500000Z",
        **fields,
    }
    marks = ", ".join("?" * len(values))
    world._write(
        f"INSERT INTO health_check ({', '.join(values)}) VALUES ({marks})",  # noqa: S608 - literals
        *values.values(),
    )
    return str(values["id"])


def ids(world: World, deployment: str, query: str = "") -> list[str]:
    reply = world.call("GET", f"/deployments/{deployment}/health-checks{query}")
    assert reply.status == 200
    return [each["id"] for each in reply.json]


@pytest.fixture
def deployment(world: World) -> str:
    return str(world.apply().json["id"])


def test_a_new_deployment_has_none_and_an_unknown_one_is_404(world: World, deployment: str) -> None:
    reply = world.call("GET", f"/deployments/{deployment}/health-checks")
    assert (reply.status, reply.body) == (200, b"[]")

    reply = world.call("GET", "/deployments/nope/health-checks")
    assert reply.status == 404
    assert reply.json["detail"] == reply.json["message"] == "Deployment not found"


def test_every_key(world: World, deployment: str) -> None:
    made = result(world, deployment, 7, status="failed", message="Command exited 3", check_index=2)
    bare = result(world, deployment, 6, instance_id=None, check_type="command")

    reply = world.call("GET", f"/deployments/{deployment}/health-checks")

    first, second = reply.json
    assert list(first) == KEYS
    assert first == {
        "id": made,
        "deployment_id": deployment,
        "instance_id": "c0ffee",
        "check_index": 2,
        "check_type": "http",
        "status": "failed",
        "message": "Command exited 3",
        "created_at": "2027-03-02T08:07:01.000000Z",
        "started_at": "2027-03-02T08:07:00.000000Z",
        "finished_at": "2027-03-02T08:07:00.500000Z",
    }
    assert (second["id"], second["instance_id"], second["message"]) == (bare, None, None)


def test_the_last_begun_comes_first_and_limit_cuts(world: World, deployment: str) -> None:
    made = {number: result(world, deployment, number) for number in (3, 9, 1)}
    other = str(world.apply(name="other").json["id"])
    result(world, other, 5)

    assert ids(world, deployment) == [made[9], made[3], made[1]]
    assert ids(world, deployment, "?limit=2") == [made[9], made[3]]
    assert ids(world, deployment, "?limit=0") == []


def test_limits(world: World, deployment: str) -> None:
    for number in range(1003):
        result(world, deployment, number, started_at=f"2027-03-02T08:00:00.{number:06d}Z")

    assert len(ids(world, deployment)) == 100
    assert len(ids(world, deployment, "?limit=5000")) == 1000


def test_the_latest_of_each_type_by_type(world: World, deployment: str) -> None:
    tcp = result(world, deployment, 1, check_type="tcp")
    for number in (2, 3):
        http = result(world, deployment, number)
    again = result(world, deployment, 3, id="same-moment-later-row")
    command = result(world, deployment, 4, check_type="command")

    assert http != again
    assert ids(world, deployment, "?latest=true") == [command, again, tcp]
    assert ids(world, deployment, "?latest=true&limit=nonsense") == [command, again, tcp]
    assert len(ids(world, deployment, "?latest=false")) == 5


@pytest.mark.parametrize("query", ["?limit=many", "?limit=-1", "?latest=1", "?latest=True"])
def test_what_is_no_value_of_a_parameter(world: World, deployment: str, query: str) -> None:
    assert world.call("GET", f"/deployments/{deployment}/health-checks{query}").status == 400


def test_the_boundary_and_the_scope(world: World, deployment: str) -> None:
    path = f"/deployments/{deployment}/health-checks"
    elsewhere = world.token(scopes=["deployments:read"], namespaces=["lab"])
    assert world.call("GET", path, token=elsewhere).status == 403
    assert world.call("GET", path, token=world.token(scopes=["admin"])).status == 200
    assert world.call("GET", path, token=world.token(scopes=["secrets:read"])).status == 403
