"""What a row refers to, looked up: in order, in clear, and nothing of it in a repr or a message."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.failures import FailureClass
from ring.engine.inputs import Inputs
from ring.engine.operating.resolving import Resolver, Unresolved
from ring.runtimes.base import Login
from ring.security.vault import KEY_BYTES, Vault
from ring.store.configs import Draft
from ring.store.records import Wanted
from tests.engine.bench import AUTHOR, WEB, Bench

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.engine.operating.resolving import Resolved

KEY = {"type": "secret", "source": "key", "destination": "/run/key"}
MAIN = {"type": "config", "source": "settings", "key": "main", "destination": "/etc/main"}
DB = {"DB": {"secretRef": "db"}, "LOG": "json"}
NAMES = ("key", "db", "key", "db")
PULL = {"image_pull_secret": "hub"}
INLINE = {"username": "mira", "password": "hunter2-canary"}
HUB = json.dumps({"auths": {"docker.io": {"auth": base64.b64encode(b"mira:tok-canary").decode()}}})


class Desk:
    """A row, and what its namespace holds."""

    def __init__(self, **members: Any) -> None:
        self.bench = Bench()
        self.inputs = Inputs()
        self.resolver = Resolver(self.bench.store, self.inputs)
        self._members = members

    def resolved(self, **held: str) -> Resolved:
        """With these secrets; a config where it begins with a brace."""

        async def main() -> Resolved:
            return await self.resolver.resolve(await self.row(**held))

        return self.bench.run(main())

    async def row(self, **held: str) -> Deployment:
        row = await self.bench.accept(**self._members)
        for name, text in held.items():
            if name == "settings":
                await self.bench.store.configs.create("media", Draft(name, text, ""), AUTHOR)
            else:
                await self.bench.store.secrets.create("media", name, text, AUTHOR)
        return row

    def refused(self, kind: FailureClass, **held: str) -> str:
        with pytest.raises(Unresolved) as caught:
            self.resolved(**held)
        assert caught.value.failure.kind is kind
        return caught.value.failure.message


def test_nothing_to_look_up() -> None:
    found = Desk().resolved()
    assert (found.secrets, found.contents, found.login, found.broken_login) == ({}, {}, None, None)


def test_values_are_taken_as_they_are_and_show_in_no_repr() -> None:
    value = "$HOME ${x}\n'canary'"
    found = Desk(environment=DB, volumes=[KEY]).resolved(db=value, key="canary-key\n")
    assert found.secrets == {"DB": value}
    assert found.contents == {"/run/key": b"canary-key\n"}
    assert "canary" not in repr(found)
    assert set(found.hidden) == {value, "canary-key\n"}


@pytest.mark.parametrize(
    ("data", "content"),
    [
        ({"main": "a = 1\n", "other": "x"}, b"a = 1\n"),
        ({"main": ""}, b""),
        ({"main": 8080}, b"8080"),
        ({"main": "half \ud800 a pair"}, b"half ? a pair"),
        ({"main": {"port": 1, "name": "ä"}}, '{"port": 1, "name": "ä"}'.encode()),
    ],
    ids=str,
)
def test_an_entry_of_a_config(data: object, content: bytes) -> None:
    assert Desk(volumes=[MAIN]).resolved(settings=json.dumps(data)).contents == {
        "/etc/main": content
    }


def test_each_object_is_read_once_however_often_it_is_named() -> None:
    mounts = [{**MAIN, "key": f"k{n}", "destination": f"/etc/{n}"} for n in range(5)]
    mounts += [{**KEY, "destination": f"/run/{n}"} for n in range(5)]
    desk = Desk(
        volumes=mounts, environment={f"K{n}": {"secretRef": name} for n, name in enumerate(NAMES)}
    )
    settings = json.dumps({f"k{n}": f"{n}" for n in range(5)})

    async def main() -> tuple[Resolved, list[str]]:
        row = await desk.row(key="canary", db="second", settings=settings)
        statements: list[str] = []
        reader = desk.bench.store._database._reader
        reader.set_trace_callback(statements.append)
        found = await desk.resolver.resolve(row)
        reader.set_trace_callback(None)
        return found, statements

    found, statements = desk.bench.run(main())
    assert found.contents == {f"/etc/{n}": f"{n}".encode() for n in range(5)} | {
        f"/run/{n}": b"canary" for n in range(5)
    }
    assert found.secrets == {"K0": "canary", "K1": "second", "K2": "canary", "K3": "second"}
    assert found.hidden == ("canary", "second")
    assert len(statements) == 3


def test_other_volumes_are_no_files() -> None:
    volumes = [
        {"type": "volume", "source": "data", "destination": "/data"},
        {"type": "bind", "source": "/srv", "destination": "/srv"},
    ]
    assert Desk(volumes=volumes).resolved().contents == {}


@pytest.mark.parametrize(
    ("members", "held", "kind", "message"),
    [
        (
            {"environment": DB},
            {},
            FailureClass.SECRET_UNRESOLVED,
            "Secret 'db' not found in namespace 'media'",
        ),
        (
            {"config": PULL},
            {},
            FailureClass.PULL_SECRET_UNRESOLVED,
            "image_pull_secret 'hub' not found in namespace 'media'",
        ),
        (
            {"config": PULL},
            {"hub": "no json, canary"},
            FailureClass.PULL_SECRET_UNRESOLVED,
            "image_pull_secret 'hub' of namespace 'media' is not a Docker config.json with `auths`",
        ),
        (
            {"config": PULL, "image": "reg.example/app:1"},
            {"hub": HUB},
            FailureClass.PULL_SECRET_UNRESOLVED,
            "image_pull_secret 'hub' of namespace 'media' has no login for the registry "
            "'reg.example'",
        ),
        (
            {"volumes": [KEY]},
            {},
            FailureClass.MOUNTED_SECRET_MISSING,
            "Secret 'key' not found in namespace 'media'",
        ),
        (
            {"volumes": [MAIN]},
            {},
            FailureClass.MOUNTED_CONFIG_MISSING,
            "Config 'settings' not found in namespace 'media'",
        ),
        *(
            (
                {"volumes": [MAIN]},
                {"settings": data},
                FailureClass.MOUNTED_CONFIG_MISSING,
                "Key 'main' not found in config 'settings' in namespace 'media'",
            )
            for data in ('{"other": "canary"}', "canary", '["main"]', "[" * 50_000)
        ),
    ],
)
def test_what_is_missing_is_named_and_nothing_else(
    members: dict[str, Any], held: dict[str, str], kind: FailureClass, message: str
) -> None:
    assert Desk(**members).refused(kind, **held) == message


def test_what_is_missing_is_told_in_order() -> None:
    desk = {"environment": DB, "config": PULL, "volumes": [KEY, MAIN]}
    held: dict[str, str] = {}
    for kind, name, text in (
        (FailureClass.SECRET_UNRESOLVED, "db", "x"),
        (FailureClass.PULL_SECRET_UNRESOLVED, "hub", HUB),
        (FailureClass.MOUNTED_SECRET_MISSING, "key", "x"),
        (FailureClass.MOUNTED_CONFIG_MISSING, "settings", '{"main": "x"}'),
    ):
        Desk(**desk).refused(kind, **held)
        held[name] = text
    assert set(Desk(**desk).resolved(**held).contents) == {"/run/key", "/etc/main"}


@pytest.mark.parametrize(
    ("members", "kind", "message"),
    [
        ({"volumes": [KEY]}, FailureClass.SECRET_UNREADABLE, "Secret 'key' of namespace"),
        (
            {"environment": {"K": {"secretRef": "key"}}},
            FailureClass.SECRET_UNRESOLVED,
            "Secret 'key' of namespace",
        ),
        (
            {"config": {"image_pull_secret": "key"}},
            FailureClass.PULL_SECRET_UNRESOLVED,
            "image_pull_secret 'key' of namespace",
        ),
    ],
)
def test_a_secret_of_another_key(members: dict[str, Any], kind: FailureClass, message: str) -> None:
    desk = Desk(**members)

    async def main() -> None:
        row = await desk.row(key="canary")
        desk.bench.store._door.vault = Vault(b"n" * KEY_BYTES)
        with pytest.raises(Unresolved, match=message) as caught:
            await desk.resolver.resolve(row)
        assert caught.value.failure.kind is kind
        assert "another key" in caught.value.message
        assert "canary" not in caught.value.message

    desk.bench.run(main())


def test_others_have_their_turn_between_what_may_be_long() -> None:
    names = [f"c{number}" for number in range(5)]
    volumes = [{**MAIN, "source": name, "destination": f"/etc/{name}"} for name in names]
    desk = Desk(volumes=volumes)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        row = await desk.row()
        for name in names:
            await desk.bench.store.configs.create("media", Draft(name, '{"main": "x"}', ""), AUTHOR)
        beside = asyncio.create_task(other())
        assert len((await desk.resolver.resolve(row)).contents) == len(names)
        beside.cancel()
        assert turns >= len(names)

    desk.bench.run(main())


def test_configs_that_cannot_be_read() -> None:
    desk = Desk(volumes=[MAIN])

    async def main() -> None:
        row = await desk.row(settings='{"main": "x"}')
        desk.bench.store._database._writer.execute("ALTER TABLE config RENAME TO lost")
        with pytest.raises(Unresolved) as caught:
            await desk.resolver.resolve(row)
        assert caught.value.failure.kind is FailureClass.CONFIG_UNREADABLE
        assert "The configs of namespace 'media' cannot be read" in caught.value.message

    desk.bench.run(main())


def test_a_failure_tells_what_had_been_written_then() -> None:
    desk = Desk(environment=DB)

    async def main() -> None:
        row = await desk.row()
        for count in range(2):
            with pytest.raises(Unresolved) as caught:
                await desk.resolver.resolve(row)
            assert caught.value.inputs == count
            desk.inputs.note(WEB)
        desk.inputs.forget(WEB)
        assert desk.inputs.count(WEB) == 0

    desk.bench.run(main())


# logins


@pytest.mark.parametrize(
    ("image", "config", "server"),
    [
        ("nginx:1.25", INLINE, "docker.io"),
        ("reg.example:5000/app", INLINE, "reg.example:5000"),
        ("nginx:1.25", {**INLINE, "server": "mirror.example"}, "mirror.example"),
    ],
)
def test_an_inline_login(image: str, config: dict[str, str], server: str) -> None:
    found = Desk(image=image, config=config).resolved()
    source = "config.server, config.username and config.password"
    assert found.login == Login(server, "mira", "hunter2-canary", source)
    assert found.hidden == ("hunter2-canary",)
    assert "mira" not in repr(found)
    assert "canary" not in repr(found)


def test_the_login_of_a_pull_secret() -> None:
    found = Desk(config=PULL).resolved(hub=HUB)
    assert found.login == Login("docker.io", "mira", "tok-canary", "image_pull_secret 'hub'")
    assert {HUB, "tok-canary"} <= set(found.hidden)


def test_a_password_of_another_key_is_a_reason_not_to_pull_and_no_more() -> None:
    desk = Desk(config=INLINE)

    async def main() -> None:
        row = await desk.row()
        desk.bench.store._vault = Vault(b"n" * KEY_BYTES)
        found = await desk.resolver.resolve(row)
        assert found.login is None
        assert found.broken_login == (
            "Failed to pull image 'nginx:1.25': config.password cannot be decrypted (it was "
            "encrypted with another key, or is damaged); apply the manifest again"
        )

    desk.bench.run(main())


# volumes


def test_named_volumes_are_registered_once() -> None:
    desk = Desk(
        volumes=[
            {"type": "volume", "source": "data", "destination": "/data"},
            {"type": "bind", "source": "/srv", "destination": "/srv"},
            {**KEY},
        ]
    )

    async def main() -> None:
        row = await desk.row()
        await desk.resolver.register_volumes(row)
        await desk.resolver.register_volumes(row)
        (volume,) = desk.bench.store.volumes.listed(Wanted())
        assert (volume.namespace, volume.name, volume.host_path) == ("media", "data", "data")
        assert (volume.backend_type, volume.size, volume.labels) == ("local", None, {})

    desk.bench.run(main())


def test_a_registry_of_volumes_that_fails_blocks_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(volumes=[{"type": "volume", "source": "data", "destination": "/data"}])

    async def main() -> None:
        row = await desk.row()
        desk.bench.store._database._writer.execute("ALTER TABLE volume RENAME TO lost")
        await desk.resolver.register_volumes(row)

    desk.bench.run(main())
    assert "were not registered" in caplog.text
