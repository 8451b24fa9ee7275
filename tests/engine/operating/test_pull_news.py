"""What is said while an image is pulled: not at once, not often, and not twice."""

from __future__ import annotations

import asyncio

import pytest

from ring.engine.operating.pull_news import words
from ring.runtimes.base import PullProgress
from tests.engine.bench import WEB, Bench
from tests.engine.plant import Plant

MIB = 1024 * 1024
IMAGE = "nginx:1.25"


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (PullProgress(), "the registry has not answered yet"),
        (PullProgress(5, 2), "2 of 5 layers"),
        (PullProgress(5, 2, 40 * MIB, 12 * MIB + MIB // 4), "2 of 5 layers, 12.2 of 40.0 MiB"),
    ],
)
def test_words(progress: PullProgress, text: str) -> None:
    assert words(progress) == text


def test_a_long_pull_is_told_of_now_and_then() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("resolve_image")
        row = await plant.apply(replicas=3)

        def told() -> list[str]:
            return bench.messages(row, "image_pulling")

        def why() -> tuple[str, str]:
            found = plant.engine.explain(WEB)
            assert found is not None
            return found.summary, found.rows[-1].reason

        plain, _ = why()
        bench.engine.pulling[IMAGE] = PullProgress()
        await bench.wait(4)
        assert told() == []
        await bench.wait(2)
        said = [f"Pulling image '{IMAGE}': the registry has not answered yet"]
        assert told() == said
        assert why() == (f"{plain} ({said[0]})",) * 2

        bench.engine.pulling[IMAGE] = PullProgress(2, 1, 4 * MIB, MIB)
        await bench.wait(8)
        assert told() == said
        await bench.wait(2)
        said.append(f"Pulling image '{IMAGE}': 1 of 2 layers, 1.0 of 4.0 MiB")
        assert told() == said
        assert [text.endswith(f" ({said[1]})") for text in why()] == [True, True]
        await bench.wait(100)
        assert told() == said, "what does not change is not said again"

        bench.held.release()
        await bench.wait(30)
        assert len(bench.live()) == 3
        assert "Pulling" not in "".join(why())
        assert told() == said
        assert {event.component for event in bench.store.events(row.id, level=None, limit=50)
                if event.reason == "image_pulling"} == {"docker"}  # fmt: skip

    bench.run(main())


def test_what_waits_for_no_pull_is_not_told_of() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("resolve_image")
        row = await plant.apply()
        await bench.wait(60)
        assert bench.messages(row, "image_pulling") == []
        bench.held.release()
        await asyncio.sleep(0)

    bench.run(main())
