"""A server's API with everything around it: real store, manual clock, an engine that notes."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ring.api.asgi import Api, build_app
from ring.clock import rfc3339
from ring.core.access import ROLES
from ring.core.keeping import Policy
from ring.core.model.capabilities import Capabilities
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.observed import Instance, Listing, State
from ring.core.model.spec import DeploymentSpec
from ring.core.plan.explaining import explain
from ring.core.plan.view import RuntimeView, View
from ring.engine.entering import Entering
from ring.engine.keeping.claims import Claims
from ring.engine.keeping.images import Images
from ring.engine.keeping.orphans import Orphans
from ring.engine.operating.files import Files
from ring.engine.reading.logs import Logs
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.statistics import Statistics
from ring.runtimes.fake import Container, FakeEngine, StockedRuntime
from ring.security.passwords import hash_password
from ring.security.tokens import mint
from ring.security.vault import Vault
from ring.store.store import Store
from tests.api.client import Exchange, Question, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from typing import TypeVar

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey
    from ring.core.plan.explaining import Decided, Explained

    T = TypeVar("T")

PASSWORD = "changeme"
NO_FILES = Path("/nonexistent")


class ManualClock:
    def __init__(self) -> None:
        self.now = datetime(2027, 3, 2, 8, 15, 4, 120934, UTC)
        self.elapsed = 100.0

    def mono(self) -> float:
        return self.elapsed

    def wall(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.elapsed += seconds
        self.now += timedelta(seconds=seconds)


class Instances:
    """What an observer would know: what the fake engine holds, told at once."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.runtime = StockedRuntime(self.engine)
        self._watchers: list[Callable[[], None]] = []

    def seen(self, rows: Iterable[DeploymentId]) -> Listing:
        return Listing({one.name: one for row in rows for one in self.instances(row)}, 0.0)

    def instances(self, row: DeploymentId) -> tuple[Instance, ...]:
        held = (container.instance for container in self.engine.containers.values())
        return tuple(one for one in held if one.deployment_id == row)

    def watch(self, row: DeploymentId, told: Callable[[], None]) -> None:
        self._watchers.append(told)

    def unwatch(self, row: DeploymentId, told: Callable[[], None]) -> None:
        self._watchers.remove(told)

    def start(self, deployment_id: str, name: str) -> InstanceId:
        """A new one runs."""
        instance = Instance(
            id=InstanceId(f"{len(self.engine.containers):02d}-{name}"),
            name=InstanceName(f"shop_web_{name}"),
            deployment_id=DeploymentId(deployment_id),
            server_id="s",
            state=State.RUNNING,
            created_at=datetime(2027, 3, 2, tzinfo=UTC),
        )
        spec = DeploymentSpec.model_validate(manifest())
        self.engine.containers[instance.id] = Container(instance, spec, {})
        for told in self._watchers:
            told()
        return instance.id


class RecordingEngine:
    """Notes what it is told; its answers are set by the test."""

    images: Images
    orphans: Orphans
    logs: Logs
    entering: Entering
    statistics: Statistics
    store: Store

    def __init__(self) -> None:
        self.woken: list[GroupKey] = []
        self.asked: list[DeploymentId] = []
        self.running: dict[DeploymentId, tuple[Instance, ...]] = {}
        self.moved = False
        self.decided: Decided | None = None
        """What the last pass said."""

    def capabilities(self) -> Mapping[str, Capabilities]:
        docker = Capabilities(
            events=True,
            exit_codes=True,
            host_network=True,
            labels=True,
            pull=True,
            ports=True,
            resources=True,
            command=True,
            user=True,
        )
        return {"docker": docker}

    def wake(self, key: GroupKey) -> None:
        self.woken.append(key)

    def instances(self, deployment_id: DeploymentId) -> tuple[Instance, ...]:
        return self.running.get(deployment_id, ())

    def explain(self, key: GroupKey) -> Explained | None:
        rows = self.store.rows(key)
        runtimes = {"docker": RuntimeView(Listing({}, 0.0))}
        view = View(key, rows, self.store.ledger(key), (), (), runtimes)
        return explain(view, self.decided) if rows else None

    async def image_moved(self, deployment: Deployment) -> bool:
        self.asked.append(deployment.id)
        return self.moved

    def run(self, deployment_id: str, address: str | None) -> None:
        """From now on one instance of this deployment runs."""
        instance = Instance(
            id=InstanceId("c0ffee"),
            name=InstanceName("x_y_00000000"),
            deployment_id=DeploymentId(deployment_id),
            server_id="s",
            state=State.RUNNING,
            created_at=datetime(2027, 3, 2, tzinfo=UTC),
            address=address,
        )
        self.running[instance.deployment_id] = (instance,)


class World:
    def __init__(self, cors_origins: Sequence[str] = ()) -> None:
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.store = Store.open(None, self.clock, vault=Vault(bytes(32)), inline=True)
        self.engine = RecordingEngine()
        self.engine.store = self.store
        self.instances = Instances()
        self.engine.logs = Logs(
            self.store, {"docker": self.instances.runtime}, {"docker": self.instances}
        )
        self.engine.entering = Entering(
            {"docker": self.instances.runtime}, {"docker": self.instances}, lambda _: {}
        )
        self.engine.statistics = self.measuring(NO_FILES)
        self.engine.images = Images(
            self.store, {"docker": self.instances.runtime}, self.clock, Claims(), Policy()
        )
        self.engine.orphans = Orphans(
            self.store, {"docker": self.instances.runtime}, self.clock, Files(NO_FILES)
        )
        self.store.listen(self.engine.wake)
        self.run(self.store.seed_admin(_password_hash()))
        self.app: Api = self.run(self._build(cors_origins))
        self.admin = self.session("admin")

    async def _build(self, cors_origins: Sequence[str]) -> Api:
        return build_app(self.store, self.engine, clock=self.clock, cors_origins=cors_origins)

    def measuring(self, root: Path) -> Statistics:
        """Statistics of the instances there are, whose files are under this folder."""
        return Statistics(
            self.store,
            {"docker": self.instances.runtime},
            {"docker": self.instances},
            self.clock,
            interval_s=10.0,
            machine=Machine(self.clock.mono, root),
        )

    def close(self) -> None:
        self.app.close()
        self.engine.statistics.close()
        self.run(self.store.close())
        self.runner.close()

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    def session(self, username: str) -> str:
        """A session with the scopes of the user's role, without the cost of a login."""
        user = self.store.user_named(username)
        assert user is not None
        return self.token(username, ROLES[user.role], kind="session")

    def user(self, username: str, role: str, *, status: str = "active") -> str:
        """A user with the common password; returns the name."""
        self._write(
            "INSERT INTO user (id, username, password, role, status, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            str(uuid.uuid4()),
            username,
            _password_hash(),
            role,
            status,
            rfc3339(self.clock.wall()),
        )
        return username

    def token(
        self,
        username: str = "admin",
        scopes: Sequence[str] | frozenset[str] = (),
        *,
        namespaces: Sequence[str] = (),
        kind: str = "pat",
        expire_at: str | None = None,
    ) -> str:
        """Inserts a token row; returns the clear value."""
        user = self.store.user_named(username)
        assert user is not None
        minted = mint()
        self._write(
            "INSERT INTO token (id, user_id, name, kind, token_hash, token_prefix, scopes,"
            " namespaces, created_at, expire_at) VALUES (?, ?, 'ci', ?, ?, ?, ?, ?, ?, ?)",
            str(uuid.uuid4()),
            user.id,
            kind,
            minted.hash,
            minted.prefix,
            json.dumps(sorted(scopes)),
            json.dumps(list(namespaces)),
            rfc3339(self.clock.wall()),
            expire_at,
        )
        return minted.clear

    def set_user(self, username: str, column: str, value: str) -> None:
        self._write(f"UPDATE user SET {column} = ? WHERE username = ?", value, username)  # noqa: S608 - a literal of the test

    def delete_user(self, username: str) -> None:
        self._write("DELETE FROM user WHERE username = ?", username)

    def open(
        self,
        method: str,
        target: str,
        *,
        token: str | None = "",
        body: object = None,
        headers: Mapping[str, str] | None = None,
        chunks: Sequence[bytes] = (),
        peer: str = "192.0.2.1",
    ) -> Exchange:
        """Starts a request as admin, unless told otherwise; body is sent as JSON."""
        given = dict(headers or {})
        bearer = self.admin if token == "" else token
        if bearer:
            given.setdefault("Authorization", f"Bearer {bearer}")
        if body is not None:
            given.setdefault("Content-Type", "application/json")
            chunks = [body if isinstance(body, bytes) else json.dumps(body).encode()]
        question = Question(method, target, tuple(given.items()), tuple(chunks), peer)
        return Exchange(self.app, question)

    def call(self, method: str, target: str, **options: Any) -> Reply:  # as `open` takes them
        async def exchange() -> Reply:
            return await self.open(method, target, **options).reply()

        return self.run(exchange())

    def apply(self, query: str = "", /, **members: object) -> Reply:
        return self.call("POST", f"/deployments{query}", body=manifest(**members))

    def _write(self, statement: str, *values: object) -> None:
        self.store._database.write_inline(
            lambda tx: tx.connection.execute(statement, values), lambda _: None
        )


def manifest(**members: object) -> dict[str, object]:
    return {
        "name": "web",
        "namespace": "shop",
        "runtime": "docker",
        "image": "registry.example/web:1",
        **members,
    }


@cache
def _password_hash() -> str:
    return hash_password(PASSWORD)
