"""What a check's result says, and that it comes in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import HttpCheck, TcpCheck
from ring.engine.inputs import Inputs
from ring.engine.operating.resolving import Resolver
from ring.engine.probing.output import KEPT_BACK
from ring.engine.probing.probed import Probed
from ring.engine.probing.probes import Probes
from ring.runtimes.base import KEPT_OUTPUT_BYTES, Executed, Unavailable
from tests.engine.bench import AUTHOR, Bench
from tests.engine.probing.test_http import Server, answer, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance

TIMES = {"interval": "1s", "timeout": "2s", "on_failure": "alert"}
TCP = {"type": "tcp", "port": 80, **TIMES}
COMMAND = {"type": "command", "command": "test -f /ready", **TIMES}


def probes_of(bench: Bench) -> Probes:
    return Probes({"docker": bench.runtime}, Resolver(bench.store, Inputs()).mounted_secrets)


async def probed(bench: Bench, row: Deployment) -> Probed:
    probes = probes_of(bench)
    (container,) = bench.engine.containers.values()
    (check,) = row.spec.health_checks
    try:
        return await probes.run(row, container.instance, check)
    finally:
        await probes.close()


async def on_host(bench: Bench) -> tuple[Deployment, Instance]:
    """A row on the host's network, and its instance."""
    row = await bench.accept(network={"mode": "host"}, health_checks=[TCP])
    return row, bench.running(bench.order(row, bench.name()))


def test_an_instance_without_an_address() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(health_checks=[TCP])
        instance = bench.made(bench.order(row, bench.name()))
        assert await probed(bench, row) == Probed(
            "failed", f"Could not resolve instance address for {instance.id}"
        )

    bench.run(main())


def test_on_the_hosts_network_it_is_looked_for_on_this_machine() -> None:
    """Over a real loop: what answers is a server of this machine."""
    bench = Bench()

    async def probe_all(row: Deployment, instance: Instance) -> None:
        async with serving(Server(answer("200 OK"))) as server:
            url = f"http://localhost:{server.port}/up"
            checks = (
                TcpCheck.model_validate({**TCP, "port": server.port}),
                HttpCheck.model_validate({"type": "http", "url": url, **TIMES}),
            )
            probes = probes_of(bench)
            try:
                results = [await probes.run(row, instance, check) for check in checks]
            finally:
                await probes.close()
            where = f"127.0.0.1:{server.port}"
            assert results == [
                Probed("success", f"TCP connection to {where} successful"),
                Probed("success", f"HTTP check successful (200) for {url}"),
            ]

    row, instance = bench.run(on_host(bench))
    assert instance.address is None
    asyncio.run(probe_all(row, instance))


def test_on_the_network_of_another_machine_it_is_not_looked_for() -> None:
    bench = Bench()
    bench.runtime.is_remote = True

    async def main() -> None:
        row, instance = await on_host(bench)
        assert await probed(bench, row) == Probed(
            "failed", f"Could not resolve instance address for {instance.id}"
        )

    bench.run(main())


def test_a_command_that_takes_too_long() -> None:
    bench = Bench()
    bench.engine.on_exec = lambda _id, _argv: None

    async def main() -> None:
        row = await bench.accept(health_checks=[COMMAND])
        bench.running(bench.order(row, bench.name()))
        before = bench.clock.mono()
        assert await probed(bench, row) == Probed("timeout", "Health check timed out")
        assert bench.clock.mono() - before == pytest.approx(2)

    bench.run(main())


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, Probed("success", "Command exited 0")), (3, Probed("failed", "Command exited 3"))],
)
def test_a_command_is_judged_by_its_code(code: int, expected: Probed) -> None:
    bench = Bench()
    ran: list[tuple[str, ...]] = []

    def answer(_id: InstanceId, argv: Sequence[str]) -> Executed:
        ran.append(tuple(argv))
        return Executed(code)

    bench.engine.on_exec = answer

    async def main() -> None:
        row = await bench.accept(health_checks=[COMMAND])
        bench.running(bench.order(row, bench.name()))
        assert await probed(bench, row) == expected

    bench.run(main())
    assert ran == [("test", "-f", "/ready")]


def test_a_command_in_an_instance_that_does_not_run() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(health_checks=[COMMAND])
        instance = bench.made(bench.order(row, bench.name()))
        assert await probed(bench, row) == Probed(
            "failed", f"Failed to run the command: instance {instance.id[:12]} is created"
        )

    bench.run(main())


def test_a_stored_timeout_that_is_no_duration(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(health_checks=[{**TCP, "timeout": "soon"}])
        instance = bench.running(bench.order(row, bench.name()))
        probes = probes_of(bench)
        for _ in range(2):
            result = await probes.run(row, instance, row.spec.health_checks[0])
            assert result.status == "failed"
            assert result.message.startswith("Invalid timeout duration: 'soon' is not a duration")
        assert caplog.text.count("has no valid timeout") == 1

    bench.run(main())


# what a command wrote

SECRET = "hunter2-correct-horse"
MOUNT = {"type": "secret", "source": "db", "destination": "/run/db"}


async def failing(bench: Bench, row: Deployment, output: str, **environment: str) -> str:
    """The message of a command that wrote this and failed, in an instance made like this."""
    bench.engine.on_exec = lambda _id, _argv: Executed(1, output)
    order = replace(bench.order(row, bench.name()), environment=environment)
    bench.running(order)
    result = await probed(bench, row)
    assert result.status == "failed"
    return result.message


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("no such file\n", "Command exited 1: no such file"),
        ("\x1b[31ma\tb\r\n\n c\x00\u202e", "Command exited 1: [31ma b c"),
        (" \n", "Command exited 1"),
        ("", "Command exited 1"),
    ],
)
def test_the_output_of_a_command_that_fails(output: str, message: str) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(health_checks=[COMMAND])
        assert await failing(bench, row, output) == message

    bench.run(main())


def test_the_end_of_a_long_output_is_told() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(health_checks=[COMMAND])
        message = await failing(bench, row, "a" * 2000 + "z")
        assert message == "Command exited 1: " + "a" * 1023 + "z"

    bench.run(main())


@pytest.mark.parametrize(
    "output",
    [
        f"password {SECRET} is wrong",
        f"{SECRET[-12:]} is wrong".ljust(KEPT_OUTPUT_BYTES),
        f"wrong: {SECRET[:9]}",
    ],
    ids=["whole", "its end", "its beginning"],
)
def test_a_secret_in_the_environment_is_not_told(output: str) -> None:
    """The one that the instance has, whatever became of it since."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(
            health_checks=[COMMAND], environment={"PASSWORD": {"secretRef": "db"}, "LOG": "json"}
        )
        message = await failing(bench, row, output, PASSWORD=SECRET, LOG="wrong")
        assert "***" in message
        assert "wrong" in message
        assert not any(SECRET[at : at + 5] in message for at in range(len(SECRET) - 4))

    bench.run(main())


def test_a_mounted_secret_is_not_told() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(health_checks=[COMMAND], volumes=[MOUNT])
        secret = await bench.store.secrets.create("media", "db", SECRET, AUTHOR)
        await bench.wait(0.1)
        assert await failing(bench, row, f"a {SECRET} b") == "Command exited 1: a *** b"

        await bench.wait(60)
        await bench.store.secrets.replace(secret.id, "another-value", AUTHOR)
        kept_back = f"Command exited 1: {KEPT_BACK}"
        assert (await probed(bench, row)).message == kept_back, "it has the former one"

        await bench.store.secrets.delete(secret.id, AUTHOR, even_if_referenced=True)
        assert (await probed(bench, row)).message == kept_back

    bench.run(main())


def test_without_the_engine_no_output_is_told() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(
            health_checks=[COMMAND], environment={"PASSWORD": {"secretRef": "db"}}
        )
        bench.engine.refusals["environment"] = Unavailable("the fake engine is away")
        message = await failing(bench, row, "what it says", PASSWORD=SECRET)
        assert message == f"Command exited 1: {KEPT_BACK}"

    bench.run(main())
