"""Deployments that pull with the registry login of the server's host."""

from __future__ import annotations

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.status import Status
from ring.runtimes.base import Login, RuntimeFailure
from tests.engine.bench import Bench
from tests.engine.plant import Plant

HOST = {"use_host_auth": True}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_login_of_the_host_is_looked_up_where_an_image_is_pulled(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        bench.engine.guarded["nginx:1.25"] = ("mira", "hunter2-canary")
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(config=HOST)
        refused = bench.now(row)
        assert refused.status is Status.IMAGE_PULL_BACK_OFF
        told = bench.messages(row, "image_pull_back_off")
        assert len(told) == refused.restart_count > 0
        assert all("not authorized" in message for message in told)
        bench.engine.host_logins["nginx:1.25"] = Login("docker.io", "mira", "hunter2-canary", "x")
        await bench.wait(5)
        assert bench.now(row).status is Status.RUNNING
        bench.engine.registry["nginx:1.25"] = "sha256:" + "2" * 64
        assert await plant.engine.image_moved(bench.now(row))

        bench.engine.host_logins.clear()
        assert not await plant.engine.image_moved(bench.now(row))
        bench.engine.remove_by_hand(bench.live()[0].id)
        await bench.wait(1)
        assert len(bench.live()) == 1, "the image is here, so no login is needed"
        assert bench.messages(row, "image_pull_back_off") == told

    bench.run(main())
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("policy", "is_here", "status", "why"),
    [
        ("IfNotPresent", True, Status.RUNNING, ""),
        ("IfNotPresent", False, Status.IMAGE_PULL_BACK_OFF, "not authorized"),
        ("Never", True, Status.RUNNING, ""),
        ("Never", False, Status.IMAGE_PULL_BACK_OFF, "image_pull_policy=Never"),
        ("Always", True, Status.IMAGE_PULL_BACK_OFF, "not authorized"),
    ],
)
def test_a_login_of_the_host_that_is_not_given(
    bench: Bench, policy: str, is_here: bool, status: Status, why: str
) -> None:
    async def main() -> None:
        plant = Plant(bench)
        if not is_here:
            bench.engine.images.clear()
        row = await bench.accept(config={**HOST, "image_pull_policy": policy})
        await plant.start()
        await bench.wait(1)
        assert bench.now(row).status is status
        assert all(why in one for one in bench.messages(row, "image_pull_back_off"))

    bench.run(main())


def test_what_a_login_of_the_host_holds_is_in_no_message(bench: Bench) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.engine.host_logins["nginx:1.25"] = Login("docker.io", "mira", "value-canary", "x")
        bench.engine.refusals["resolve_image"] = RuntimeFailure(
            FailureClass.IMAGE_PULL_FAILED, "the engine quotes value-canary"
        )
        row = await plant.apply(config=HOST)
        told = bench.messages(row, "image_pull_back_off")
        assert told
        assert all(message.startswith("the engine quotes *** (") for message in told)

    bench.run(main())
