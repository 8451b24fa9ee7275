"""Deployments that refer to secrets and configs: they wait for them, and get them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.status import Status
from ring.runtimes.base import RuntimeFailure
from ring.security.vault import KEY_BYTES, Vault
from ring.store.configs import Draft
from tests.engine.bench import AUTHOR, Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment

DB = {"DB": {"secretRef": "db"}}
KEY = {"type": "secret", "source": "key", "destination": "/run/key"}
MAIN = {"type": "config", "source": "settings", "key": "main", "destination": "/etc/main"}
INLINE = {"username": "mira", "password": "hunter2-canary"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "run" / "configs")


async def write(bench: Bench, name: str, value: str) -> str:
    return (await bench.store.secrets.create("media", name, value, AUTHOR)).id


def text(path: str | None) -> str:
    assert path is not None
    return Path(path).read_text()


def kept(bench: Bench) -> list[str]:
    """The rows that have files."""
    root = bench.files._root
    return [one.name for one in root.iterdir()] if root.exists() else []


def test_a_missing_secret_is_told_once_and_waited_for(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(environment=DB, replicas=3)
        await bench.wait(100)
        assert bench.now(row).status is Status.CREATING
        assert bench.now(row).restart_count == 0
        assert bench.messages(row, "secret_resolution_error") == [
            "Secret 'db' not found in namespace 'media'"
        ]
        assert bench.engine.containers == {}
        before = bench.loop.time()
        await write(bench, "db", "value")
        await bench.wait(0.4)
        assert bench.loop.time() - before < 1
        assert bench.now(row).status is Status.RUNNING
        assert [c.environment["DB"] for c in bench.engine.containers.values()] == ["value"] * 3

    bench.run(main())


def test_without_a_word_it_is_tried_on_every_tick(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(environment=DB)
        bench.store.listen(lambda _: None)
        await write(bench, "db", "value")
        await bench.wait(9)
        assert bench.engine.containers == {}
        await bench.wait(2)
        assert bench.now(row).status is Status.RUNNING

    bench.run(main())


def test_a_missing_config_shows_and_goes_by(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(volumes=[MAIN])
        assert bench.now(row).status is Status.CONFIG_ERROR
        made = await bench.store.configs.create(
            "media", Draft("settings", '{"other": "x"}', ""), AUTHOR
        )
        await bench.idle()
        assert bench.messages(row, "volume_resolution_error") == [
            "Config 'settings' not found in namespace 'media'",
            "Key 'main' not found in config 'settings' in namespace 'media'",
        ]
        await bench.store.configs.replace(made.id, Draft("settings", '{"main": "x"}', ""), AUTHOR)
        await bench.wait(1)
        assert bench.now(row).status is Status.RUNNING

    bench.run(main())


def test_a_secret_that_goes_disturbs_nothing_that_is_up(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        await bench.accept(name="other", replicas=0)
        made = await write(bench, "db", "value")
        row = await plant.apply(environment=DB)
        await bench.wait(1)
        await bench.store.secrets.delete(made, AUTHOR, even_if_referenced=True)
        await bench.wait(30)
        assert bench.now(row).status is Status.RUNNING
        assert "secret_resolution_error" not in bench.reasons(row)
        (instance,) = bench.live()
        bench.engine.exit(instance.id, 1)
        await bench.wait(1)
        assert bench.now(row).status is Status.RUNNING
        assert bench.live() == []
        assert "secret_resolution_error" in bench.reasons(row)
        await plant.delete(row)
        await bench.wait(5)
        assert bench.store.deployment(row.id) is None

    bench.run(main())


def test_files_are_mounted_renewed_on_recreation_and_removed_with_the_row(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        await bench.accept(name="other", replicas=0)
        made = await write(bench, "key", "first")
        row = await plant.apply(volumes=[KEY], replicas=2)
        await bench.wait(1)
        paths = {file.path for c in bench.engine.containers.values() for file in c.files}
        (path,) = paths
        assert text(path) == "first"
        assert kept(bench) == [row.id]
        await bench.store.secrets.replace(made, "second", AUTHOR)
        await bench.wait(1)
        assert text(path) == "first"
        old = {one.id for one in bench.live()}
        bench.engine.remove_by_hand(bench.live()[0].id)
        await bench.wait(1)
        (new,) = [c for c in bench.engine.containers.values() if c.instance.id not in old]
        assert [text(file.path) for file in new.files] == ["second"]
        await plant.delete(row)
        await bench.wait(5)
        assert kept(bench) == []

    bench.run(main())


def test_what_a_kill_left_of_a_purged_row_is_swept_at_the_next_start(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply(volumes=[])
        await plant.delete(row)
        await bench.wait(5)
        live = await plant.apply()
        await plant.kill(task)
        for owner in (row.id, live.id, "another-server's"):
            path = Path(await bench.files.keep(owner, b"x"))  # type: ignore[arg-type]
            (path.parent / ".new-1-2").write_text("x")
        await plant.start()
        await bench.wait(1)
        assert sorted(kept(bench)) == sorted([live.id, "another-server's"])
        assert not (bench.files._root / live.id / ".new-1-2").exists()
        assert (bench.files._root / "another-server's" / ".new-1-2").exists()

    bench.run(main())


def test_a_disk_that_takes_no_files_is_a_failure_of_its_own() -> None:
    bench = Bench()  # where there is no place for files

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        await bench.accept(name="other", replicas=0)
        await write(bench, "key", "value-canary")
        row = await plant.apply(volumes=[KEY])
        assert bench.now(row).status is Status.FILE_SYSTEM_ERROR
        assert bench.now(row).restart_count >= 1
        (message, *_) = bench.messages(row, "file_system_error")
        assert "cannot keep files in /dev/null/nowhere/row-" in message
        assert "canary" not in message

    bench.run(main())


def test_on_a_remote_engine_files_are_copied_and_that_is_told_once(bench: Bench) -> None:
    async def main() -> None:
        bench.runtime.is_remote = True
        plant = Plant(bench)
        await plant.start()
        await bench.accept(name="other", replicas=0)
        await write(bench, "key", "value")
        row = await plant.apply(volumes=[KEY], replicas=3)
        await bench.wait(1)
        files = [file for c in bench.engine.containers.values() for file in c.files]
        assert [(f.destination, f.content, f.path) for f in files] == [
            ("/run/key", b"value", None)
        ] * 3
        assert len(bench.messages(row, "files_copied")) == 1
        assert kept(bench) == []
        plain = await plant.apply(name="plain")
        await bench.wait(1)
        assert "files_copied" not in bench.reasons(plain)

    bench.run(main())


def test_no_value_is_in_what_an_engine_says_of_a_refused_create(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        await bench.accept(name="other", replicas=0)
        await write(bench, "db", "value-canary")
        bench.engine.refusals["create"] = RuntimeFailure(
            FailureClass.INSTANCE_REJECTED, "invalid environment variable: DB=value-canary"
        )
        row = await plant.apply(environment=DB)
        assert bench.messages(row, "instance_creation_failed")[0].startswith(
            "invalid environment variable: DB=***"
        )
        halted = await halted_with(bench, plant)
        assert halted.halt_reason == "Image 'x' not found: ***"

    bench.run(main())
    assert "canary" not in caplog.text


async def halted_with(bench: Bench, plant: Plant) -> Deployment:
    bench.engine.refusals["create"] = RuntimeFailure(
        FailureClass.IMAGE_NOT_FOUND, "Image 'x' not found: value-canary"
    )
    return bench.now(await plant.apply(name="halted", environment=DB))


# registries


def test_a_guarded_image_is_pulled_with_the_rows_login(bench: Bench) -> None:
    async def main() -> None:
        bench.engine.guarded["nginx:1.25"] = ("mira", "hunter2-canary")
        plant = Plant(bench)
        await plant.start()
        refused = await plant.apply(name="nobody")
        assert bench.now(refused).status is Status.IMAGE_PULL_BACK_OFF
        row = await plant.apply(config=INLINE)
        await bench.wait(1)
        assert bench.now(row).status is Status.RUNNING
        bench.engine.registry["nginx:1.25"] = "sha256:" + "2" * 64
        assert await plant.engine.image_moved(bench.now(row))

    bench.run(main())


def test_a_password_of_another_key_stops_pulls_alone(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(config=INLINE)
        await bench.wait(1)
        bench.store._vault = Vault(b"n" * KEY_BYTES)
        bench.engine.remove_by_hand(bench.live()[0].id)
        await bench.wait(1)
        assert len(bench.live()) == 1, "the image is here, so nothing is pulled"
        await plant.delete(row)
        await bench.wait(5)
        local = await plant.apply(config={**INLINE, "image_pull_policy": "IfNotPresent"})
        await bench.wait(1)
        assert bench.now(local).status is Status.RUNNING

    bench.run(main())


@pytest.mark.parametrize("policy", ["Always", "IfNotPresent"])
def test_without_the_image_it_is_told(bench: Bench, policy: str) -> None:
    async def main() -> None:
        plant = Plant(bench)
        row = await bench.accept(config={**INLINE, "image_pull_policy": policy})
        if policy == "IfNotPresent":
            bench.engine.images.clear()
        bench.store._vault = Vault(b"n" * KEY_BYTES)
        await plant.start()
        assert bench.now(row).status is Status.IMAGE_PULL_BACK_OFF
        assert (
            "config.password cannot be decrypted" in bench.messages(row, "image_pull_back_off")[0]
        )
        assert not await plant.engine.image_moved(bench.now(row))

    bench.run(main())
