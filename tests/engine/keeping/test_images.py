"""Images that nobody needs: found, removed by age and by a full disk; kept for who needs them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.keeping import Policy
from ring.core.model.failures import FailureClass
from ring.core.model.stock import Holder, Origin
from ring.engine.keeping.claims import Claims
from ring.engine.keeping.images import BEING_USED, FIRST_S, REMOVAL_S, RETRY_S, ROUND_S, Images
from ring.runtimes.base import Image, RuntimeFailure
from ring.runtimes.fake import StockedRuntime
from tests.engine.bench import AUTHOR, Bench

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ring.engine.keeping.images import Pruned

DISK = Path("/var/lib/engine")
DAY_S = 86_400.0


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


class Cellar:
    """An engine's images, and the part under test."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.bench = Bench()
        self.runtime = StockedRuntime(self.bench.engine)
        self.stock = self.runtime.stock
        self.stock.directory = DISK
        self.claims = Claims()
        self.percents: list[float] = []
        """What the disk's next looks say; the last of them for good."""
        self.images = Images(
            self.bench.store,
            {"docker": self.runtime},
            self.bench.clock,
            self.claims,
            policy or Policy(),
            measure=self._measured,
        )
        self.run = self.bench.run

    async def _measured(self, directory: Path) -> float | None:
        assert directory == DISK
        return self.percents.pop(0) if len(self.percents) > 1 else self.percents[0]

    async def bring(self, number: int, reference: str = "") -> str:
        """Pulled by Ring; its id."""
        name = reference or f"app:{number}"
        self.stock.bring(name, digest(number))
        await self.bench.store.images.note(
            "docker", digest(number), name, digest(number), Origin.BROUGHT
        )
        return digest(number)

    async def prune(
        self, older_than_s: float = 0, *, even_if_kept: bool = False, dry_run: bool = False
    ) -> Pruned:
        return await self.images.prune(
            older_than_s, even_if_kept=even_if_kept, dry_run=dry_run, author=AUTHOR
        )

    def left(self) -> set[str]:
        return set(self.stock.images)


def names(pruned: Pruned) -> list[str]:
    return [each.shown for each in pruned.removed]


def told(cellar: Cellar, story: Coroutine[None, None, None]) -> None:
    cellar.run(story)


def test_a_dry_run_says_what_would_go_and_nothing_goes() -> None:
    cellar = Cellar()

    async def story() -> None:
        one = await cellar.bring(1)
        await cellar.bench.wait(60)
        two = await cellar.bring(2)
        cellar.stock.bring("theirs:1", digest(9))
        would = await cellar.prune(dry_run=True)
        assert names(would) == ["app:1", "app:2"]
        assert would.size_bytes == 2000
        assert cellar.left() == {one, two, digest(9)}
        assert names(await cellar.prune(30)) == ["app:1"]
        assert names(await cellar.prune()) == ["app:2"]
        assert cellar.left() == {digest(9)}
        assert cellar.bench.store.images.pulled("docker") == ()
        entries = cellar.bench.store.audit.pages()
        found = [(e.action, e.target_type, e.target_name) for page in entries for e in page]
        assert found[:2] == [("delete", "image", "app:2"), ("delete", "image", "app:1")]

    told(cellar, story())


def trail(cellar: Cellar) -> list[tuple[str, str]]:
    """What is on record of images, oldest first."""
    found = [entry for page in cellar.bench.store.audit.pages() for entry in page]
    return [(e.action, e.target_name) for e in reversed(found) if e.target_type == "image"]


def test_a_removal_is_on_record_before_it_is_done_and_how_it_ended() -> None:
    cellar = Cellar()
    seen: list[list[tuple[str, str]]] = []

    def removing(image_id: str) -> None:
        seen.append(trail(cellar))
        if image_id == digest(2):
            raise RuntimeFailure(FailureClass.OTHER, "it is busy")

    async def story() -> None:
        await cellar.bring(1)
        await cellar.bench.wait(60)
        await cellar.bring(2)
        cellar.stock.on_removal = removing
        pruned = await cellar.prune()
        assert (names(pruned), [failed.reason for failed in pruned.failed]) == (
            ["app:1"],
            ["it is busy"],
        )
        first, second = ("delete", "app:1"), ("delete", "app:2")
        assert seen == [[first], [first, second]]
        assert trail(cellar) == [first, second, ("delete_failed", "app:2")]

    told(cellar, story())


def test_what_cannot_be_recorded_is_not_removed() -> None:
    cellar = Cellar()

    async def story() -> None:
        one = await cellar.bring(1)
        statement = "ALTER TABLE audit_log RENAME TO aside"
        await cellar.bench.store._door.write(lambda tx: tx.connection.execute(statement))
        pruned = await cellar.prune()
        assert cellar.left() == {one}
        assert "cannot write the database" in pruned.failed[0].reason

    told(cellar, story())


def test_rows_revisions_and_containers_keep_what_they_need() -> None:
    cellar = Cellar()

    async def story() -> None:
        bench = cellar.bench
        await bench.accept(image="app:1")
        row = await bench.accept(image="app:2")
        await bench.change(row, image_digest=digest(3))
        kept = [await cellar.bring(number) for number in (1, 2, 3)]
        strange = await cellar.bring(4)
        cellar.stock.strangers.append(Holder("somebodys", strange))
        await cellar.bring(5)
        assert names(await cellar.prune()) == ["app:5"]
        assert cellar.left() == {*kept, strange}
        listed = {each.image.id: each.users for each in await cellar.images.listed()}
        assert [user.kind.value for user in listed[strange]] == ["container"]
        assert listed[kept[2]][0] == ("deployment", "media/web")

    told(cellar, story())


def test_what_only_a_rollback_needs_goes_on_request() -> None:
    cellar = Cellar()

    async def story() -> None:
        first = await cellar.bench.accept(image="app:1")
        await cellar.bench.accept(image="app:2", name="other")
        await cellar.bench.change(first, was_running=True)
        second = await cellar.bench.accept(image="app:3")
        for row in cellar.bench.store.rows(second.key):
            if row.id != second.id:
                await cellar.bench.store.delete(row.id, AUTHOR)
        for number in (1, 2, 3):
            await cellar.bring(number)
        kinds = {
            each.shown: {user.kind.value for user in each.users}
            for each in await cellar.images.listed()
        }
        if "deployment" in kinds["app:1"]:  # its row is there until it is purged
            assert names(await cellar.prune(even_if_kept=True)) == []

    told(cellar, story())


def test_use_makes_it_younger_also_that_of_what_has_gone_since() -> None:
    cellar = Cellar()

    async def story() -> None:
        row = await cellar.bench.accept(image="app:1")
        row = await cellar.bench.change(row, image_digest=digest(1))
        await cellar.bring(1)
        await cellar.bench.wait(100)
        await cellar.images.listed()
        assert cellar.bench.store.images.pulled("docker")[0].used_at == cellar.bench.clock.wall()
        await cellar.bench.wait(50)
        await cellar.images.released(row)
        assert cellar.bench.store.images.pulled("docker")[0].used_at == cellar.bench.clock.wall()

    told(cellar, story())


def test_what_somebody_removed_is_forgotten_and_theirs_when_it_comes_back() -> None:
    cellar = Cellar()

    async def story() -> None:
        one = await cellar.bring(1)
        del cellar.stock.images[one]
        await cellar.images.listed()
        assert len(cellar.bench.store.images.pulled("docker")) == 1, "it may have come just now"
        await cellar.bench.wait(60)
        await cellar.images.listed()
        cellar.stock.bring("app:1", one)
        assert names(await cellar.prune()) == []
        assert cellar.left() == {one}

    told(cellar, story())


def test_the_same_image_on_another_engine_is_somebody_elses() -> None:
    cellar = Cellar()

    async def story() -> None:
        one = await cellar.bring(1)
        await cellar.bench.store.images.settle("docker", "unix:///elsewhere.sock")
        assert names(await cellar.prune()) == []
        two = await cellar.bring(2)
        assert names(await cellar.prune()) == ["app:2"]
        assert (cellar.left(), two) == ({one}, digest(2))

    told(cellar, story())


def test_nothing_goes_under_a_start() -> None:
    cellar = Cellar()

    async def story() -> None:
        one = await cellar.bring(1)
        hold = cellar.claims.found("docker", Image("app:1", one))
        stayed = await cellar.prune()
        assert [failed.reason for failed in stayed.failed] == [BEING_USED]
        hold.release()
        async with cellar.claims.looking("docker", "app:7"):
            assert names(await cellar.prune()) == []
        assert names(await cellar.prune()) == ["app:1"]

    told(cellar, story())


def test_who_has_come_to_need_it_meanwhile_keeps_it() -> None:
    cellar = Cellar()

    async def story() -> None:
        await cellar.bring(1)
        await cellar.bench.wait(1)
        two = await cellar.bring(2)
        bench = cellar.bench
        bench.held.hold("remove_image")
        pruning = bench.spawn(_drop(cellar.prune()))
        await bench.idle()
        await bench.accept(image="app:2")
        bench.held.release()
        await pruning
        assert cellar.left() == {two}

    async def _drop(work: Coroutine[None, None, Pruned]) -> None:
        pruned = await work
        assert [failed.reason for failed in pruned.failed] == ["needed by deployment media/web"]

    told(cellar, story())


def collecting(**changes: object) -> Policy:
    return Policy(enabled=True, interval_s=60.0, **changes)  # type: ignore[arg-type]  # by name


def test_off_nothing_is_removed_by_itself() -> None:
    cellar = Cellar(Policy(interval_s=60.0))

    async def story() -> None:
        cellar.percents = [99.0]
        one = await cellar.bring(1)
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(60 * DAY_S)
        assert cellar.left() == {one}

    told(cellar, story())


def test_by_age_alone() -> None:
    cellar = Cellar(collecting(max_age_s=2 * DAY_S))

    async def story() -> None:
        cellar.percents = [10.0]
        one = await cellar.bring(1)
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(2 * DAY_S - 120)
        assert cellar.left() == {one}
        await cellar.bench.wait(240)
        assert cellar.left() == set()

    told(cellar, story())


def test_a_full_disk_takes_the_longest_unused_down_to_the_lower_mark(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    cellar = Cellar(collecting())

    async def story() -> None:
        for number in (1, 2, 3):
            await cellar.bring(number)
            await cellar.bench.wait(60)
        await cellar.bench.wait(DAY_S)
        young = await cellar.bring(4)
        # As it begins; before the first, the second and the third; at the end.
        cellar.percents = [86.0, 86.0, 81.0, 80.0, 80.0]
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(30)
        assert cellar.left() == {digest(3), young}
        assert "image collection on docker: removed 2, 2000 bytes; 0 could not" in caplog.text

    told(cellar, story())


def test_what_was_used_lately_stays_on_a_full_disk_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cellar = Cellar(collecting())

    async def story() -> None:
        cellar.percents = [97.0]
        one = await cellar.bring(1)
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(1000)
        assert cellar.left() == {one}
        assert caplog.text.count("is 97 % full, and no image is left") == 1

    told(cellar, story())


def test_a_refused_removal_is_said_and_left_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    cellar = Cellar(collecting(min_age_s=0.0, max_age_s=0.0))
    tried: list[str] = []

    def refuse(image_id: str) -> None:
        tried.append(image_id)
        raise RuntimeFailure(FailureClass.OTHER, "the layer is busy")

    async def story() -> None:
        cellar.percents = [10.0]
        await cellar.bring(1)
        cellar.stock.on_removal = refuse
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(RETRY_S - 60)
        assert len(tried) == 1
        assert "image app:1 is not removed from docker: the layer is busy" in caplog.text
        await cellar.bench.wait(200)
        assert len(tried) == 2

    told(cellar, story())


def test_who_asks_while_an_engine_hangs_is_told_so() -> None:
    cellar = Cellar(collecting(min_age_s=0.0, max_age_s=0.0))

    async def story() -> None:
        cellar.percents = [10.0]
        await cellar.bring(1)
        cellar.bench.held.hold("remove_image")
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(30)
        with pytest.raises(TimeoutError, match="others remove images just now"):
            await cellar.prune()

    told(cellar, story())


def test_an_engine_that_hangs_is_left_alone_until_the_next_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policy = Policy(enabled=True, interval_s=20 * REMOVAL_S, min_age_s=0.0, max_age_s=0.0)
    cellar = Cellar(policy)

    async def story() -> None:
        cellar.percents = [10.0]
        for number in range(20):
            await cellar.bring(number)
        cellar.bench.held.hold("remove_image")
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(FIRST_S + ROUND_S + 2 * REMOVAL_S)
        failed = caplog.text.count("the engine does not answer in time")
        assert 1 <= failed <= ROUND_S / REMOVAL_S + 1
        assert len(names(await cellar.prune(dry_run=True))) == 20

    told(cellar, story())


def test_an_engine_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    cellar = Cellar(collecting(min_age_s=0.0, max_age_s=0.0))

    async def story() -> None:
        cellar.percents = [10.0]
        await cellar.bring(1)
        cellar.bench.engine.go_away()
        cellar.bench.spawn(cellar.images.run())
        await cellar.bench.wait(100)
        assert "the images of docker are not looked at now" in caplog.text
        cellar.bench.engine.come_back()
        await cellar.bench.wait(60)
        assert cellar.left() == set()

    told(cellar, story())
