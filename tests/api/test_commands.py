"""Commands in instances over the API: who may, what is recorded, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from ring.api import capacity, streams, upgraded
from ring.core import channels
from ring.core.channels import LARGEST_BYTES, Kind
from ring.core.model.commands import Size
from ring.core.model.failures import FailureClass
from ring.runtimes.base import Executed, RuntimeFailure
from tests.api.channel import KEY, UPGRADE, ClientChannel, Refused
from tests.api.test_serving import Served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ring.core.model.ids import InstanceId
    from ring.runtimes.fake.sessions import FakeSession
    from tests.api.world import World

SECRET = "sesame-canary"


class Scene:
    """A deployment with two instances, whose commands go on unless they say how they end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.id: str = world.apply().json["id"]
        self.old = world.instances.start(self.id, "0000000a")
        self.new = world.instances.start(self.id, "0000000b")
        container = world.instances.engine.containers[self.new]
        later = container.instance.created_at + timedelta(seconds=1)
        container.instance = replace(container.instance, created_at=later)
        self.served = Served(world)
        self._opened: list[ClientChannel] = []
        world.instances.engine.on_exec = self._execute

    def _execute(self, _: InstanceId, argv: Sequence[str]) -> Executed | None:
        return Executed(int(argv[1]), argv[2]) if argv[0].endswith("end") else None

    async def open(
        self, query: str = "", token: str = "", headers: dict[str, str] | None = None
    ) -> ClientChannel:
        path = f"/deployments/{self.id}/exec{query}"
        channel = await ClientChannel.open(
            self.served.port, path, token or self.world.admin, headers
        )
        self._opened.append(channel)
        return channel

    async def begin(self, *argv: str, query: str = "", **members: object) -> ClientChannel:
        channel = await self.open(query)
        await channel.tell(Kind.BEGIN, argv=list(argv), **members)
        return channel

    def run(self, scenario: Callable[[], Awaitable[None]]) -> None:
        """With the server; what was opened is closed."""

        async def everything() -> None:
            try:
                await scenario()
            finally:
                for channel in self._opened:
                    channel.close()
                await asyncio.sleep(0)

        self.served.run(everything)

    @property
    def sessions(self) -> list[FakeSession]:
        return self.world.instances.engine.sessions

    async def begun(self) -> FakeSession:
        async with asyncio.timeout(5):
            while not self.sessions:  # noqa: ASYNC110 - another task's state
                await asyncio.sleep(0)
        return self.sessions[-1]

    def audited(self) -> list[Any]:
        found = self.world.call("GET", "/audit?action=exec").json
        assert isinstance(found, list)
        return found


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


def test_what_it_writes_and_its_code(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.begin("/bin/end", "3", "héllo\n")
        output, last = await channel.rest()
        assert output.decode() == "héllo\n"
        assert last == {"code": 3}
        assert await channel.next() is None
        assert channel.code == 1000

    scene.run(main)


def test_input_reaches_it_whole_and_ends(scene: Scene) -> None:
    sent = bytes(range(256)) * 4096  # 1 MiB

    async def main() -> None:
        channel = await scene.begin("cat")

        async def give() -> None:
            for start in range(0, len(sent), 16384):
                await channel.send(Kind.INPUT, sent[start : start + 16384])
            await channel.send(Kind.END)

        giving = asyncio.ensure_future(give())
        output, last = await channel.rest()
        await giving
        assert output == sent
        assert last == {"code": 0}

    scene.run(main)


def test_the_newest_is_chosen_or_the_one_that_is_named(scene: Scene) -> None:
    async def main() -> None:
        for query, name in [("", "0000000b"), ("?instance=0000000a", "0000000a")]:
            channel = await scene.begin("end", "0", "", query=query)
            assert channel.head["x-ring-instance"] == f"shop_web_{name}"
            assert channel.head["x-ring-instances"] == "2"
            assert channel.head["sec-websocket-accept"]
            await channel.rest()
        with pytest.raises(Refused, match="called 'other'; there are: shop_web_0000000a") as told:
            await scene.open("?instance=other")
        assert told.value.status == 409
        for instance in (scene.old, scene.new):
            scene.world.instances.engine.exit(instance, 1)
        with pytest.raises(
            Refused, match=r"no instance of shop/web runs \(its instances are: exited\)"
        ):
            await scene.open()

    scene.run(main)


def test_what_is_asked_for_arrives(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.begin(
            "sh",
            tty=True,
            user="nobody",
            directory="/srv",
            environment={"A": "b=c"},
            rows=24,
            columns=80,
        )
        session = await scene.begun()
        command = session.command
        assert (command.argv, command.has_terminal) == (("sh",), True)
        assert (command.user, command.directory) == ("nobody", "/srv")
        assert dict(command.environment) == {"A": "b=c"}
        await channel.tell(Kind.SIZE, rows=50, columns=132)
        await channel.send(Kind.END)
        await channel.rest()
        assert session.sizes == [Size(24, 80), Size(50, 132)]

    scene.run(main)


def test_the_audit_trail_has_who_where_and_the_program_alone(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.begin(
            f"/opt/{SECRET}/end", "0", SECRET, environment={"PASSWORD": SECRET}
        )
        await channel.rest()

    scene.run(main)
    (entry,) = scene.audited()
    admin = scene.world.store.user_named("admin")
    assert admin is not None
    assert entry["user_id"] == admin.id
    assert entry["target_type"] == "instance"
    assert entry["target_name"] == "shop_web_0000000b: end"
    assert entry["namespace"] == "shop"
    assert SECRET not in json.dumps(entry)


def test_what_cannot_be_recorded_is_not_run(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.world._write("DROP TABLE audit_log")
    scene.world._write(
        "CREATE VIEW audit_log AS SELECT 1 AS seq"
    )  # what writes to it fails, and with it the transaction

    async def main() -> None:
        channel = await scene.begin("end", "0", "")
        assert await channel.rest() == (
            b"",
            {"error": "the server cannot record it in its audit trail"},
        )

    scene.run(main)
    assert scene.sessions == []
    assert "a command was not run, for it could not be recorded" in caplog.text


@pytest.mark.parametrize("how", ["closes", "vanishes", "babbles"])
def test_a_client_that_leaves_ends_it(scene: Scene, how: str) -> None:
    async def main() -> None:
        channel = await scene.begin("cat")
        session = await scene.begun()
        if how == "closes":
            await channel.raw(CloseConnection(code=1000))
        elif how == "vanishes":
            channel.close()
        else:
            await channel.raw(TextMessage(data="hello?"))
        async with asyncio.timeout(5):
            assert (await session.ended).code == 137

    scene.run(main)


def test_the_end_of_the_token_ends_it(scene: Scene) -> None:
    async def main() -> None:
        scene.world.app._services.streams.recheck_s = 0.01
        token = scene.world.token(scopes=["deployments:exec"])
        channel = await scene.open(token=token)
        await channel.tell(Kind.BEGIN, argv=["cat"])
        session = await scene.begun()
        scene.world.set_user("admin", "status", "inactive")
        _, last = await channel.rest()
        assert "is not valid any more" in str(last["error"])
        assert session.ended.result().code == 137

    scene.run(main)


@pytest.mark.parametrize(
    "how", ["logout", "revoke", "rotate", "password", "role", "disable", "delete"]
)
def test_it_ends_in_the_moment_in_which_its_token_does(scene: Scene, how: str) -> None:
    world = scene.world
    world.app._services.streams.recheck_s = 3600.0  # nobody looks by the clock
    token = world.session(world.user("boss", "admin"))
    boss = world.store.user_named("boss")
    assert boss is not None
    pat = world.call("POST", "/tokens", token=token, body={"name": "ci", "scopes": ["admin"]}).json
    if how in {"revoke", "rotate"}:
        holder, token = token, pat["token"]

    async def end() -> int:
        user = f"/users/{boss.id}"
        match how:
            case "logout":
                exchange = world.open("POST", "/logout", token=token)
            case "revoke":
                exchange = world.open("DELETE", f"/tokens/{pat['id']}", token=holder)
            case "rotate":
                exchange = world.open("POST", f"/tokens/{pat['id']}/rotate", token=holder)
            case "password":
                exchange = world.open("PUT", user, body={"password": "a-new-one"})
            case "role":
                exchange = world.open("PUT", user, body={"role": "operator"})
            case "disable":
                exchange = world.open("PUT", user, body={"status": "disabled"})
            case _:
                exchange = world.open("DELETE", user)
        return (await exchange.reply()).status

    async def main() -> None:
        other = await scene.begin("cat")
        await scene.begun()
        channel = await scene.open(token=token)
        await channel.tell(Kind.BEGIN, argv=["cat"])
        async with asyncio.timeout(5):
            while len(scene.sessions) < 2:  # noqa: ASYNC110 - another task's state
                await asyncio.sleep(0)
            first, session = scene.sessions
            assert await end() < 300
            _, last = await channel.rest()
            assert "is not valid any more" in str(last["error"])
            assert session.ended.result().code == 137
        assert not first.ended.done(), "another user's goes on"
        await other.send(Kind.END)
        await other.rest()

    scene.run(main)
    assert not world.app._services.streams._doubts


def test_the_end_of_the_server_ends_it(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.begin("cat")
        session = await scene.begun()
        scene.served.stop.set()
        _, last = await channel.rest()
        assert last == {"error": "the server stops"}
        assert session.ended.result().code == 137

    scene.run(main)


def test_the_end_of_the_instance_is_told(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.begin("cat")
        await scene.begun()
        scene.world.instances.engine.exit(scene.new, 1)
        assert await channel.rest() == (b"", {"code": 137})

    scene.run(main)


def test_what_the_engine_refuses_is_told(scene: Scene) -> None:
    refusal = RuntimeFailure(FailureClass.OTHER, "unable to find user nobody")
    scene.world.instances.engine.refusals["exec"] = refusal

    async def main() -> None:
        channel = await scene.begin("cat")
        assert await channel.rest() == (b"", {"error": "unable to find user nobody"})

    scene.run(main)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({}, "argv: is required"),
        ({"argv": []}, "argv: "),
        ({"argv": ["a\0b"]}, "argv.0: must hold no NUL"),
        ({"argv": ["a"], "environment": {"RING_EXEC": "x"}}, "may not have the name 'RING_EXEC'"),
        ({"argv": ["a"], "environment": {"A=B": "x"}}, "may not have the name 'A=B'"),
        ({"argv": ["a"], "rows": 0}, "rows: "),
    ],
)
def test_a_wrong_command_is_told(scene: Scene, members: dict[str, object], why: str) -> None:
    async def main() -> None:
        channel = await scene.open()
        await channel.tell(Kind.BEGIN, **members)
        _, last = await channel.rest()
        assert why in str(last["error"])

    scene.run(main)
    assert scene.audited() == []


def test_another_first_message_is_none(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.open()
        await channel.send(Kind.INPUT, b"hello")
        _, last = await channel.rest()
        assert last == {"error": "the first message does not say what is to be run"}

    scene.run(main)


def test_a_message_without_end_ends_it(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.begin("cat")
        session = await scene.begun()
        await channel.send(Kind.INPUT, bytes(LARGEST_BYTES + 1))
        async with asyncio.timeout(5):
            await session.ended
        while await channel.next() is not None:
            pass
        assert channel.code == 1009

    scene.run(main)


def test_whoever_does_not_read_makes_it_wait(scene: Scene) -> None:
    """The server holds no more than a few pieces, however much there is."""
    piece = bytes(16384)

    async def main() -> None:
        channel = await scene.begin("cat")
        session = await scene.begun()
        taken = 0
        write = session.write

        async def counted(content: bytes) -> None:
            nonlocal taken
            await write(content)
            taken += len(content)

        session.write = counted  # type: ignore[method-assign]  # counted on its way

        async def flood() -> None:
            while True:
                await channel.send(Kind.INPUT, piece)

        channel._reader._transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's own
        flooding = asyncio.ensure_future(flood())
        before = -1
        while taken != before:
            before = taken
            await asyncio.sleep(0.3)
        assert 0 < taken < 8 * 1024 * 1024  # what the system keeps for a client is most of it
        flooding.cancel()
        channel.close()
        scene.world.instances.engine.end(scene.new, session)

    scene.run(main)


def test_a_client_that_goes_while_nobody_takes_what_it_sends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgraded, "_LOOK_S", 0.05)
    monkeypatch.setattr(upgraded, "_HELD_PING_S", 0.2)

    async def stuck(content: bytes) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        channel = await scene.begin("cat")
        session = await scene.begun()
        session.write = stuck  # type: ignore[method-assign]  # as a program that does not read
        content = b"".join(
            channel._frames.send(BytesMessage(data=channels.message(Kind.INPUT, bytes(16384))))
            for _ in range(64)
        )
        channel.writer.write(content)  # more than the server keeps: it stops reading
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await channel.writer.drain()
        channel.close()
        async with asyncio.timeout(10):
            assert (await session.ended).code == 137

    scene.run(main)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "close"}, 426),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": KEY[:-4]}, 400),
        ({"Sec-WebSocket-Key": "ä" * 16}, 400),
        ({"Sec-WebSocket-Protocol": "chat"}, 400),
    ],
)
def test_only_our_websockets(scene: Scene, headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        with pytest.raises(Refused) as told:
            await scene.open(headers=headers)
        assert told.value.status == status
        assert json.loads(told.value.body)["status"] == status
        if status == 426:
            assert "upgrade: websocket" in told.value.head.lower()

    scene.run(main)


def test_so_many_of_one_user(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MOST_OF_ONE", 2)

    async def main() -> None:
        held = [await scene.begin("cat") for _ in range(2)]
        with pytest.raises(Refused) as told:
            await scene.open()
        assert told.value.status == 503
        for channel in held:
            await channel.send(Kind.END)
            await channel.rest()
            channel.close()

    scene.run(main)


def test_nobody_has_more_channels_than_are_left_for_all_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "CHANNELS", 8)
    names = ("admin", "ann", "bob", "carl")
    for name in names[1:]:
        scene.world.user(name, "operator")
    tokens = {name: scene.world.session(name) for name in names}

    async def filled(name: str) -> tuple[list[ClientChannel], Refused]:
        held = []
        try:
            while True:
                held.append(await scene.open(token=tokens[name]))
        except Refused as refused:
            return held, refused

    async def main() -> None:
        held = {}
        for name in names:
            held[name], refused = await filled(name)
            if name != "carl":
                own = len(held[name])
                assert refused.status == 409
                assert f"{own} channels of this user are open" in refused.body
                assert "end a command or a forwarded connection of yours" in refused.body
            else:
                assert refused.status == 503, "now they are all taken"
        assert [len(held[name]) for name in names] == [4, 2, 1, 1]
        for channel in held["carl"]:
            channel.close()
        async with asyncio.timeout(5):
            while scene.world.app._services.streams.channels > 7:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
        with pytest.raises(Refused, match="1 channels of this user are open, and 1 are left"):
            await scene.open(token=tokens["bob"])

    scene.run(main)


@pytest.mark.parametrize("path", ["/healthz", "/login", "/deployments/{id}/exec"])
@pytest.mark.parametrize("framing", ["Content-Length: {size}", "Transfer-Encoding: chunked"])
def test_no_body_is_taken_for_a_request(scene: Scene, path: str, framing: str) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    given = {"Host": "x", "Authorization": f"Bearer {scene.world.admin}", **UPGRADE}
    head = [
        f"GET {path.format(id=scene.id)} HTTP/1.1",
        *(f"{key}: {value}" for key, value in given.items()),
        framing.format(size=len(hidden)),
    ]

    async def main() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.served.port)
        writer.write("\r\n".join([*head, "", ""]).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(hidden)
        answer += await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"may not ask for an upgrade" in answer
        assert answer.count(b"HTTP/1.1") == 1

    scene.run(main)


def test_a_server_without_upgrades_goes_on_speaking_http(scene: Scene) -> None:
    async def main() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.served.port)
        for _ in range(2):
            writer.write(
                b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            )
            assert b"200 OK" in await reader.readuntil(b'{"state":"UP"}')
        writer.close()

    scene.run(main)
