"""The adapter against an engine that says odd things."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from ring.core.errors import HostError
from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.spec import Volume
from ring.runtimes.base import CameUp, Process, Resync, RuntimeFailure, Samples, Unavailable
from ring.runtimes.docker import open_runtime
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.images import Images
from tests.runtimes.docker import scripted
from tests.runtimes.docker.orders import order
from tests.runtimes.docker.scripted import answer, opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.core.model.spec import PullPolicy
    from ring.runtimes.base import Runtime
    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

ONE = InstanceId("c" * 64)
ENTRY = {
    "Id": ONE,
    "Name": "/shop_web_0a1b2c3d",
    "Names": ["/shop_web_0a1b2c3d"],
    "Created": "2026-01-02T03:04:05Z",
    "State": {"Status": "created", "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z"},
    "Config": {"Labels": {}},
}

LISTED = {**ENTRY, "Created": 1_767_323_045, "State": "running", "Labels": {}}
ELSEWHERE = ["../containers/shop_web_0a1b2c3d", "a/../../info", "a//b", "..", "./a", "a/"]


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        yield one


@pytest.fixture
async def runtime(script: Script) -> AsyncIterator[Runtime]:
    one = open_runtime({"host": script.host})
    yield one
    await one.close()


def test_opening_connects_to_nothing() -> None:
    runtime = open_runtime({})
    assert runtime.location == "unix:///var/run/docker.sock"
    assert (runtime.name, runtime.is_remote) == ("docker", False)
    assert open_runtime({"host": "tcp://10.0.0.1:2375"}).is_remote


@pytest.mark.parametrize("host", [None, "", "  ", "/var/run/other.sock"])
def test_without_a_host_the_environment_decides(host: str | None) -> None:
    named = {} if host is None else {"host": host}
    around = {**named, "environment_host": "unix:///run/theirs.sock"}
    assert open_runtime(around).location == "unix:///run/theirs.sock"
    assert open_runtime(named).location == "unix:///var/run/docker.sock"


def test_the_environment_yields_to_a_host() -> None:
    options = {"host": " tcp://10.0.0.1:2375 ", "environment_host": "unix:///run/theirs.sock"}
    assert open_runtime(options).location == "tcp://10.0.0.1:2375"


def test_a_host_without_a_scheme_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    open_runtime({"host": "/run/other.sock"})
    assert "/run/other.sock" in caplog.text
    assert "unix://PATH" in caplog.text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"host": "ssh://far"}, "ssh"),
        ({"host": "npipe:////./pipe/engine"}, "npipe"),
        ({"environment_host": "ssh://far"}, "ssh"),
        ({"host": 7}, "7 is not text"),
        ({"host": "tcp://far:2376", "tls_ca": "/nowhere/ca.pem"}, "tls_ca"),
    ],
)
def test_options_that_are_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(HostError, match=named):
        open_runtime(options)


@pytest.mark.parametrize(
    ("host", "local"), [("unix:///run/docker.sock", True), ("tcp://10.0.0.9:2375", False)]
)
def test_what_instances_take_is_told_only_of_those_on_this_machine(host: str, local: bool) -> None:
    assert open_runtime({"host": host}).capabilities().cpu_stats is local


async def test_the_process_of_an_instance(script: Script, runtime: Runtime) -> None:
    assert isinstance(runtime, Samples)
    running = {**ENTRY, "State": {"Status": "running", "Pid": 4242}, "RestartCount": 2}
    created = {**ENTRY, "State": {"Status": "created", "Pid": 0}, "RestartCount": 0}
    script.say(f"GET /v1.41/containers/{ONE}/json", answer(running), answer(created))

    assert await runtime.process(ONE) == Process(4242, restarts=2)
    assert await runtime.process(ONE) is None


async def test_a_process_without_a_number(script: Script, runtime: Runtime) -> None:
    assert isinstance(runtime, Samples)
    script.say(f"GET /v1.41/containers/{ONE}/json", answer({**ENTRY, "State": {"Pid": "1"}}))

    with pytest.raises(Unavailable, match="Pid"):
        await runtime.process(ONE)


def test_importing_the_package_does_not_import_the_client() -> None:
    code = "import sys, ring.runtimes.docker; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "said",
    [
        answer({"message": "no"}, 500),
        answer({"message": "no"}, 404),
        answer({"not": "a list"}),
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
        answer([{"Id": "x"}]),
        answer([{**LISTED, "Created": 10**18}, LISTED]),
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[{]}",
    ],
)
async def test_a_listing_that_fails_is_never_empty(
    script: Script, runtime: Runtime, said: bytes
) -> None:
    script.say("GET /v1.41/containers/json", said)
    with pytest.raises(Unavailable):
        await runtime.list()


async def test_a_listing_is_one_call_without_a_state_filter(
    script: Script, runtime: Runtime
) -> None:
    script.say("GET /v1.41/containers/json", answer([]))
    assert await runtime.list() == ()
    (asked,) = script.asked[1:]
    assert parse_qs(asked.partition("?")[2]) == {
        "all": ["1"],
        "filters": ['{"label": ["ring_deployment"]}'],
    }


@pytest.mark.parametrize("policy", ["Always", "IfNotPresent", "Never"])
@pytest.mark.parametrize("image", ELSEWHERE)
async def test_an_image_that_leads_elsewhere_is_never_asked_for(
    script: Script, runtime: Runtime, image: str, policy: PullPolicy
) -> None:
    for pin in (None, "sha256:" + "a" * 64):
        with pytest.raises(RuntimeFailure, match="no image reference") as caught:
            await runtime.resolve_image(image, policy, pin)
        assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND
    assert await runtime.remote_digest(image) is None
    assert script.asked == []


@pytest.mark.parametrize("name", [*ELSEWHERE, "a/b"])
async def test_a_volume_that_leads_elsewhere_is_never_asked_for(
    script: Script, runtime: Runtime, name: str
) -> None:
    volume = Volume(type="volume", source=name, destination="/data")
    with pytest.raises(RuntimeFailure, match="no volume name") as caught:
        await runtime.create(order(volumes=(volume,)))
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert script.asked == []


async def test_a_network_missing_at_create_is_made_again(script: Script, runtime: Runtime) -> None:
    script.say(
        "POST /v1.41/containers/create",
        answer({"message": "network ring_shop not found"}, 404),
        answer({"Id": ONE}, 201),
    )
    script.say("GET /v1.41/networks", answer([]), answer([{"Name": "ring_shop", "Id": "n"}]))
    script.say("POST /v1.41/networks/create", answer({"Id": "n"}, 201))
    script.say(f"GET /v1.41/containers/{ONE}/json", answer(ENTRY))

    created = await runtime.create(order())
    assert created.id == ONE
    assert [line.split("?")[0] for line in script.asked if line.startswith("POST")] == [
        "POST /v1.41/containers/create",
        "POST /v1.41/networks/create",
        "POST /v1.41/containers/create",
    ]


async def test_what_cannot_be_inspected_after_create_is_removed(
    script: Script, runtime: Runtime
) -> None:
    script.say("POST /v1.41/containers/create", answer({"Id": ONE}, 201))
    script.say(f"GET /v1.41/containers/{ONE}/json", answer({"message": "broken"}, 500))
    script.say(f"DELETE /v1.41/containers/{ONE}", answer(None, 204))
    with pytest.raises(RuntimeFailure, match="broken"):
        await runtime.create(order())
    assert script.asked[-1] == f"DELETE /v1.41/containers/{ONE}?v=1"


@pytest.mark.parametrize("status", [201, 404])
async def test_what_vanishes_while_it_comes_up_is_a_failure(
    script: Script, runtime: Runtime, status: int
) -> None:
    gone = {"message": f"No such container: {ONE}"}
    made = answer({"Id": ONE} if status == 201 else gone, status)
    script.say("POST /v1.41/containers/create", made)
    script.say(f"GET /v1.41/containers/{ONE}/json", answer(gone, 404))
    with pytest.raises(RuntimeFailure, match="removed from outside while it came up") as caught:
        await runtime.create(order())
    assert caught.value.failure.kind is FailureClass.OTHER
    assert order().name in caught.value.message


async def test_a_network_conflict_is_success(script: Script, runtime: Runtime) -> None:
    script.say("GET /v1.41/networks", answer([]), answer([{"Name": "ring_shop", "Id": "n"}]))
    script.say("POST /v1.41/networks/create", answer({"message": "already exists"}, 409))
    await runtime.ensure_network("shop")
    body = json.loads(script.bodies[0])
    assert list(body.pop("Options")) == ["com.docker.network.bridge.name"]
    assert body == {
        "Name": "ring_shop",
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Labels": {"ring.managed": "true", "ring.namespace": "shop"},
    }
    asked = len(script.asked)
    await runtime.ensure_network("shop")
    assert len(script.asked) == asked


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET /v1.41/networks", 500), ("POST /v1.41/networks/create", 403)],
)
async def test_a_network_that_cannot_be_made(
    script: Script, runtime: Runtime, request_line: str, status: int
) -> None:
    script.say("GET /v1.41/networks", answer([]))
    script.say(request_line, answer({"message": "no pool left"}, status))
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.ensure_network("shop")
    assert caught.value.failure.kind is FailureClass.NETWORK_FAILED
    assert "ring_shop" in caught.value.message
    assert "no pool left" in caught.value.message


async def test_of_two_networks_the_used_one_stays(script: Script, runtime: Runtime) -> None:
    both = [
        {"Name": "ring_shop", "Id": "old", "Created": "2026-01-01T00:00:00Z"},
        {"Name": "ring_shop", "Id": "new", "Created": "2026-01-02T00:00:00Z"},
        {"Name": "ring_shopping", "Id": "other", "Created": "2025-01-02T00:00:00Z"},
    ]
    script.say("GET /v1.41/networks?", answer(both))
    script.say("GET /v1.41/networks/old", answer({"Containers": {}}))
    script.say("GET /v1.41/networks/new", answer({"Containers": {"c": {}}}))
    script.say("DELETE /v1.41/networks/old", answer(None, 204))
    await runtime.ensure_network("shop")
    assert [line for line in script.asked if line.startswith("DELETE")] == [
        "DELETE /v1.41/networks/old"
    ]


async def test_a_refused_removal_is_forced_once(script: Script, runtime: Runtime) -> None:
    script.say(
        f"DELETE /v1.41/containers/{ONE}",
        answer({"message": "it is running"}, 409),
        answer({"message": "it is stuck"}, 500),
    )
    with pytest.raises(RuntimeFailure, match="it is stuck"):
        await runtime.remove(ONE)
    assert [line.partition("?")[2] for line in script.asked[1:]] == ["v=1", "v=1&force=1"]


async def test_a_removal_under_way_is_success(script: Script, runtime: Runtime) -> None:
    busy = answer({"message": f"removal of container {ONE} is already in progress"}, 409)
    script.say(f"DELETE /v1.41/containers/{ONE}", busy)
    await runtime.remove(ONE)
    assert len(script.asked) == 2


async def test_the_grace_is_told_in_whole_seconds(script: Script, runtime: Runtime) -> None:
    script.say(f"POST /v1.41/containers/{ONE}/stop", answer(None, 304))
    await runtime.stop(ONE, 2.1)
    assert script.asked[-1].endswith("/stop?t=3")


async def test_a_stop_that_is_refused(script: Script, runtime: Runtime) -> None:
    script.say(f"POST /v1.41/containers/{ONE}/stop", answer({"message": "cannot"}, 500))
    with pytest.raises(RuntimeFailure, match="cannot") as caught:
        await runtime.stop(ONE, 1.0)
    assert caught.value.failure.kind is FailureClass.OTHER


async def test_find_does_not_take_another_name(script: Script, runtime: Runtime) -> None:
    script.say("GET /v1.41/containers/", answer({**ENTRY, "Name": "/somebody"}))
    assert await runtime.find(InstanceName("shop_web_0a1b2c3d")) is None


async def test_events_end_with_the_stream(script: Script, runtime: Runtime) -> None:
    up = {
        "Action": "start",
        "Actor": {"ID": ONE, "Attributes": {"name": "a", "ring_deployment": "d"}},
        "timeNano": 1,
    }
    script.say("GET /v1.41/events", opening(b"{broken", json.dumps(up).encode()))
    events = aiter(runtime.events(None))
    assert isinstance(await anext(events), Resync)
    assert isinstance(await anext(events), CameUp)
    with pytest.raises(Unavailable, match="ended its event stream"):
        await anext(events)
    assert "since" not in script.asked[-1]


async def test_events_that_are_refused(script: Script, runtime: Runtime) -> None:
    script.say("GET /v1.41/events", answer({"message": "not today"}, 500))
    with pytest.raises(Unavailable, match="not today"):
        await anext(aiter(runtime.events(None)))


ABSENT = answer({"message": "No such image"}, 404)
LOCAL = answer({"Id": "sha256:" + "1" * 64, "RepoDigests": None})


async def test_the_first_error_ends_a_pull(script: Script, runtime: Runtime) -> None:
    script.say("GET /v1.41/images/", ABSENT)
    error = b'{"errorDetail": {"message": "boom"}, "error": "boom"}'
    script.say("POST /v1.41/images/create", opening(b'{"status": "x"}', error), hangs=True)
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image("app:1", "Always", None)
    assert caught.value.failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert caught.value.message == "Failed to pull image 'app:1': boom"
    assert script.asked[2:] == ["POST /v1.41/images/create?fromImage=app&tag=1"]


async def test_a_pull_without_an_image_is_not_found(script: Script, runtime: Runtime) -> None:
    script.say("GET /v1.41/images/", ABSENT)
    script.say("POST /v1.41/images/create", opening(b'{"status": "done"}', b"not json"))
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image("app:1", "IfNotPresent", None)
    assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND


async def test_a_pull_without_progress(script: Script) -> None:
    script.say("POST /v1.41/images/create", opening(b'{"status": "x"}'), hangs=True)
    connection = Connection(parse_host(script.host))
    images = Images(connection, pull_idle_s=0.05)
    with pytest.raises(RuntimeFailure, match="no progress") as caught:
        await images.resolve("app:1", "Always", None)
    assert caught.value.failure.kind is FailureClass.IMAGE_PULL_FAILED
    await images.close()
    await connection.close()


async def test_a_pull_that_is_not_answered_is_the_engines_fault(script: Script) -> None:
    script.say("POST /v1.41/images/create", b"", hangs=True)
    connection = Connection(parse_host(script.host))
    images = Images(connection, pull_idle_s=0.05)
    with pytest.raises(Unavailable, match="does not answer in time"):
        await images.resolve("app:1", "Always", None)
    await images.close()
    await connection.close()


async def test_a_connection_cut_in_a_pull_is_the_engines_fault(
    script: Script, runtime: Runtime
) -> None:
    script.say("POST /v1.41/images/create", b"")
    with pytest.raises(Unavailable):
        await runtime.resolve_image("app:1", "Always", None)


@pytest.mark.parametrize(
    ("digests", "ref"),
    [
        (["other@sha256:" + "2" * 64, "app@sha256:" + "3" * 64], "app@sha256:" + "3" * 64),
        (
            ["other@sha256:" + "2" * 64, "docker.io/library/app@sha256:" + "3" * 64],
            "docker.io/library/app@sha256:" + "3" * 64,
        ),
        (["<none>@<none>", "other@sha256:" + "2" * 64], "other@sha256:" + "2" * 64),
        (["<none>@<none>"], "app:1"),
    ],
)
async def test_the_digest_of_a_local_image(
    script: Script, runtime: Runtime, digests: list[str], ref: str
) -> None:
    own_id = "sha256:" + "1" * 64
    script.say("GET /v1.41/images/", answer({"Id": own_id, "RepoDigests": digests}))
    image = await runtime.resolve_image("app:1", "Never", None)
    assert image.ref == ref
    assert image.digest == (ref.partition("@")[2] or own_id)


@pytest.mark.parametrize(
    ("told", "chosen"),
    [
        (b'{"status": "Digest: sha256:%s"}' % (b"3" * 64), "3"),
        (b'{"status": "Digest: sha256:%s"}' % (b"9" * 64), "2"),
        (b'{"status": "done"}', "2"),
    ],
)
async def test_of_several_digests_the_one_of_the_tag_is_taken(
    script: Script, runtime: Runtime, told: bytes, chosen: str
) -> None:
    digests = [f"app@sha256:{one * 64}" for one in "234"]
    script.say("GET /v1.41/images/", answer({"Id": "sha256:" + "1" * 64, "RepoDigests": digests}))
    script.say("POST /v1.41/images/create", opening(told))
    image = await runtime.resolve_image("app:1", "Always", None)
    assert image.digest == "sha256:" + chosen * 64


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (["no-new-privileges", "apparmor=web"], "apparmor=web: "),
        (["label=type:web_t", "label=level:s0"], "label=type:web_t, label=level:s0: "),
    ],
)
async def test_a_profile_the_host_does_not_have_is_named(
    script: Script, runtime: Runtime, asked: list[str], named: str
) -> None:
    text = "apparmor failed to apply profile: write /proc/self/attr/exec: no such file"
    script.say(f"POST /v1.41/containers/{ONE}/start", answer({"message": text}, 500))
    container = {**ENTRY, "HostConfig": {"SecurityOpt": asked}}
    script.say(f"GET /v1.41/containers/{ONE}/json", answer(container))
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.start(ONE)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert caught.value.message == named + text


async def test_a_refusal_is_told_even_if_its_profile_cannot_be(
    script: Script, runtime: Runtime
) -> None:
    text = "apparmor failed to apply profile"
    script.say(f"POST /v1.41/containers/{ONE}/start", answer({"message": text}, 500))
    script.say(f"GET /v1.41/containers/{ONE}/json", answer({"message": "boom"}, 500))
    with pytest.raises(RuntimeFailure, match=f"^{text}$"):
        await runtime.start(ONE)
