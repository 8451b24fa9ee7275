"""Steps of the users: everything the API lets them do to a deployment."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.store.verbs import Ask
from tests.core.bodies import CAPABILITIES
from tests.properties.sim import manifests
from tests.properties.sim.traffic import NOTHING

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec
    from tests.properties.sim.world import World

VERBS = ("restart", "scale", "stop", "start", "roll back")


@dataclass(slots=True)
class Users:
    world: World

    async def apply(self) -> str:
        wanted = manifests.drawn(self.world.rng)
        if self.world.rng.random() < 0.3:
            wanted = self._like_another(wanted)
        force, if_changed = (
            self.world.rng.random() < 0.1,
            self.world.rng.random() < 0.7,
        )
        await self.world.apply(wanted, force=force, if_changed=if_changed)
        return f"{wanted.kind} {wanted.name} x {wanted.replicas} {wanted.image}"

    def _like_another(self, wanted: DeploymentSpec) -> DeploymentSpec:
        """As it is applied already, but for the number or the image."""
        for row in reversed(self.world.store.deployments()):
            if row.spec.name == wanted.name and row.spec.kind == wanted.kind:
                changed: dict[str, object] = {"replicas": wanted.replicas}
                if self.world.rng.random() < 0.5:
                    changed = {"image": wanted.image}
                return row.spec.model_copy(update=changed)
        return wanted

    async def delete(self) -> str:
        rows = self.world.store.deployments()
        if not rows:
            return NOTHING
        row = self.world.rng.choice(rows)
        await self.world.delete(row.id)
        return row.spec.name

    async def write_secret(self) -> str:
        return await self.world.write_secret()

    async def delete_secret(self) -> str:
        return await self.world.delete_secret()

    async def write_config(self) -> str:
        return await self.world.write_config(
            self.world.rng.choice(('{"main":"a"}', '{"other":1}', "?"))
        )

    async def change_minds(self) -> str:
        """Several people write at the same time."""
        writes = self.world.rng.choices(
            (self.apply, self.apply, self.delete), k=self.world.rng.randrange(2, 5)
        )
        return ", ".join([await write() for write in writes])

    async def act(self) -> str:
        """One of the verbs, on any row: also in the middle of a rollout."""
        rows = self.world.store.deployments()
        if not rows:
            return NOTHING
        rng, store = self.world.rng, self.world.store
        row = rng.choice(rows)
        reason = rng.choice((None, "because"))
        ask = Ask(row.id, self.world.author, "mira", reason, CAPABILITIES)
        verb = rng.choices(VERBS, (3, 3, 1, 2, 3))[0]
        with contextlib.suppress(RingError):
            match verb:
                case "restart":
                    await store.restart(ask)
                case "scale":
                    await store.scale(ask, 1 if row.spec.ports else rng.randrange(5))
                case "stop":
                    await store.stop(ask)
                case "start":
                    await store.start(ask)
                case "roll back":
                    await store.roll_back(ask, None)
            return f"{verb} {row.spec.name} {row.id[:6]}"
        return f"{verb} {row.spec.name}: refused"
