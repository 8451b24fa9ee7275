"""What happens to instances on a containerd of one's own: run by test_leaks.

Each returns with its instances running or gone, as it likes; what is left then is removed, and
everything is to be as it was before.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import random
import signal
import subprocess
import tarfile
import time
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ring.core.errors import EngineError
from ring.core.model.logs import LogQuery
from ring.core.model.observed import State
from ring.core.model.spec import Port
from ring.runtimes.base import CameUp, Detached, Died, Unavailable
from ring.runtimes.containerd.networking import grounds
from scripts import engines
from tests.contract.containerd import options
from tests.contract.outside import eventually
from tests.runtimes.containerd.leaks import servers
from tests.runtimes.containerd.leaks.lives import LIVES, lived, removed
from tests.runtimes.containerd.leaks.moments import Steps, in_process
from tests.runtimes.containerd.leaks.own import Own, Told, hand, kill

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from tests.contract.space import Space
    from tests.runtimes.containerd.leaks.census import Census

    Scenario = Callable[[Own, int], Awaitable[None]]

AT_ONCE = 4
PORT = 19000
SOON_S = 1.0
"""Within this somebody must have been told."""
CLEAN_S = 10.0
PULLED_BYTES = 4 * 1024 * 1024
WEB = (
    "sh",
    "-c",
    "mkdir /www; echo here >/www/index.html; exec httpd -f -p 80 -h /www",
)


async def cycles(own: Own, times: int) -> None:
    """Many lives of every kind, some at once: not a descriptor is left of them, either."""
    async with own.space() as space, Told.listening(space.runtime):
        await lived(space, 2 * len(LIVES), AT_ONCE)
        await eventually(lambda: _has_collected(own))
        before = own.census()
        await lived(space, times, AT_ONCE)
        await expect_clean(own, before)


async def a_shim_is_killed(own: Own, _: int) -> None:
    """It is an end of what it ran, told at once; and no end of the instance, which starts again."""
    async with own.space() as space, Told.listening(space.runtime) as told:
        instance = await _served(space, own, "web", PORT)
        kill(own.shim(instance.id))
        await eventually(lambda: _is(bool(told.of(Died, instance.id))), SOON_S)
        seen = await space.ended(instance.id)
        assert seen.state is State.EXITED
        (died,) = told.of(Died, instance.id)
        assert died.code == 128 + signal.SIGKILL
        await space.runtime.start(instance.id)
        await eventually(lambda: answers(PORT))
        await space.runtime.stop(instance.id, 0.0)
        await space.runtime.remove(instance.id)
        assert len(told.of(Died, instance.id)) == 2


async def containerd_is_killed(own: Own, _: int) -> None:
    """Instances run on, by the same ids; what ended meanwhile is seen, and what ends later told."""
    async with own.space() as space, Told.listening(space.runtime) as told:
        web = await _served(space, own, "web", PORT)
        doomed = await space.running()
        pids = {each.id: await _pid(space, each.id) for each in (web, doomed)}
        own.kill()
        await eventually(lambda: _is(told.breaks > 0))
        await _answers_on(PORT)
        kill(pids[doomed.id])
        resyncs = told.resyncs()
        began = time.monotonic()
        own.start()
        await eventually(lambda: _is(told.resyncs() > resyncs))
        print(f"events again after {time.monotonic() - began:.2f} s")
        there = {each.id: each for each in await space.runtime.list()}
        assert there[web.id].state is State.RUNNING
        assert there[web.id].is_attached
        assert await _pid(space, web.id) == pids[web.id]
        seen = await space.runtime.inspect(doomed.id)
        assert seen.state is State.EXITED
        assert seen.exit is not None
        assert seen.exit.code in {None, 128 + signal.SIGKILL}, seen.exit
        await _answers_on(PORT)

        again = await space.running()
        kill(await _pid(space, again.id))
        await eventually(lambda: _is(bool(told.of(Died, again.id))), SOON_S)
        kill(pids[web.id])
        await eventually(lambda: _is(bool(told.of(Died, web.id))), SOON_S)
        await asyncio.sleep(0.2)
        assert len(told.of(Died, web.id)) == len(told.of(Died, again.id)) == 1
        assert len(told.of(Died, doomed.id)) <= 1
        assert told.of(CameUp, web.id)


async def containerd_is_frozen(own: Own, _: int) -> None:
    """What was asked for meanwhile is done, or not, and nothing is left of it."""
    async with own.space() as space, Told.listening(space.runtime):
        instance = await space.running()
        with own.frozen():
            removing = asyncio.create_task(space.runtime.remove(instance.id))
            creating = asyncio.create_task(removed(space, 0))
            await asyncio.sleep(0.5)
            assert not removing.done()
            creating.cancel()
            await asyncio.wait({creating}, timeout=0.2)
        await removing
        await asyncio.gather(creating, return_exceptions=True)


async def containerd_is_killed_amid_lives(own: Own, times: int) -> None:
    """At any moment; whoever was at work is told, and what it left is found."""
    chance = random.Random(times)
    async with own.space() as space, Told.listening(space.runtime) as told:
        for _ in range(times):
            living = [asyncio.create_task(lived(space, 6, 3)) for _ in range(2)]
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            own.kill()
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            own.start()
            _expect_away(await asyncio.gather(*living, return_exceptions=True))
            await eventually(lambda: _answers(space))
            await clear(space)
        assert told.breaks
        if own.cut_off():
            # What containerd cannot delete as it is; when it starts and nobody has it, it does.
            own.kill()
            own.start()
            await eventually(lambda: _answers(space))


async def keepers_are_killed(own: Own, times: int) -> None:
    """Names and ports come back, and no line of a log is lost."""
    async with own.space() as space, Told.listening(space.runtime):
        web = await _served(space, own, "web", PORT)
        asking = await space.running()
        lines: list[str] = []
        read: list[str] = []

        async def is_read() -> bool:
            logs = adapter(space).logs(web.id, LogQuery())
            read[:] = [line.message async for batch in logs for line in batch]
            return len(read) >= len(lines)

        for turn in range(times):
            for name in ("ring.network.keeper", "logkeeper"):
                old = own.keeper(name)
                lines.append(f"{name} {turn}")
                kill(old)
                await space.outside.writes(web.id, f"{lines[-1]}\n")
                began = time.monotonic()
                await eventually(partial(_is_another, own, name, old))
                await eventually(lambda: answers(PORT))
                await eventually(lambda: _finds(space, asking.id, "web"))
                await eventually(is_read)
                print(f"{name}: whole again after {time.monotonic() - began:.2f} s")
        assert read == lines


async def no_log_keeper_can_be_started(own: Own, times: int) -> None:
    """Instances run all the same, are read, also by the next server, and leave nothing."""
    kill(own.keeper("logkeeper"))
    await eventually(lambda: _is(not own.keeper("logkeeper")))
    files = {key: Path(str(options(own.socket)[key])) for key in ("run_dir", "state_dir")}
    lock = files["run_dir"] / "containerd" / "logs.lock"
    lock.unlink()
    lock.mkdir()
    async with own.space() as space, Told.listening(space.runtime):
        web = await _served(space, own, "web", PORT)
        assert (await adapter(space).exec(web.id, ("true",), 20.0)).code == 0
        await space.outside.writes(web.id, "one\n")
        await space.outside.writes(web.id, "ERROR two\n", "stderr")
        await eventually(lambda: _reads(space, web.id, ["one", "ERROR two"]))
        log = files["state_dir"] / "logs" / "containerd" / f"{web.id}.log"
        assert log.stat().st_mode & 0o777 == 0o600
        last = "seq 1 20000; printf end"
        job = await space.running(await space.order("job", command=("sh", "-c", last)))
        await space.ended(job.id)
        lines = [*map(str, range(1, 20001)), "end"]
        assert await _reads(space, job.id, lines), "last words are missing"
        one = "exec >&-; for n in $(seq 1 2000); do echo $n >&2; done"
        other = await space.running(await space.order("other", command=("sh", "-c", one)))
        await space.ended(other.id)
        assert await _reads(space, other.id, lines[:2000]), "a stream ended with the other"
        await lived(space, times * len(LIVES), AT_ONCE)
    async with own.space() as space, Told.listening(space.runtime):
        await space.outside.writes(web.id, "three\n")
        await eventually(lambda: _reads(space, web.id, ["one", "ERROR two", "three"]))
        assert not own.keeper("logkeeper")
        lock.rmdir()
        await space.runtime.stop(web.id, 0.0)
        await space.runtime.start(web.id)
        assert own.keeper("logkeeper")
        await space.outside.writes(web.id, "four\n")
        # It finds its folder again, and says so.
        again = ["mkdir: can't create directory '/www': File exists", "four"]
        await eventually(lambda: _reads(space, web.id, ["one", "ERROR two", "three", *again]))
        logs = adapter(space).logs(web.id, LogQuery())
        moments = [line.at async for batch in logs for line in batch]
        assert [at is None for at in moments] == [True] * 3 + [False] * 2
        for ended in (job, other):
            await space.runtime.remove(ended.id)


async def somebody_takes_networks_away(own: Own, _: int) -> None:
    """By hand, whatever part of them: it is told, and attaching puts all of it back."""
    async with own.space() as space, Told.listening(space.runtime) as told:
        web = await _served(space, own, "web", PORT)
        asking = await space.running()
        inside = ("nsenter", f"--net=/run/netns/{web.id}")
        unname = ("ip", "netns", "delete", web.id)
        hands: dict[str, Callable[[], object]] = {
            "eth0": lambda: hand(*inside, "ip", "link", "delete", "eth0"),
            "bridge": lambda: hand("ip", "link", "delete", own.bridge()),
            "name": lambda: hand(*unname),
            "name and file": lambda: (hand(*unname), hand("rm", os.fspath(own.conflist()))),
        }
        for what, take in hands.items():
            before = len(told.of(Detached, web.id))
            take()
            began = time.monotonic()
            assert not (await space.runtime.inspect(web.id)).is_attached, what
            if not what.startswith("name"):
                await eventually(partial(_has_more, told, web.id, before), SOON_S)
                print(f"{what}: told after {time.monotonic() - began:.2f} s")
            for each in (web, asking):
                await space.runtime.attach(each.id, own.namespace, ("web",))
            assert (await space.runtime.inspect(web.id)).is_attached, what
            await eventually(lambda: answers(PORT))
            await eventually(lambda: _finds(space, asking.id, "web"))
            print(f"{what}: whole again after {time.monotonic() - began:.2f} s")


async def somebody_flushes_the_rules(own: Own, _: int) -> None:
    """They are there again once the network is next asked for, and bridges are kept apart."""
    async with own.space() as space, Told.listening(space.runtime):
        web = await _served(space, own, "web", PORT)
        before = rules()
        for table in ("filter", "nat", "mangle"):
            hand("iptables", "-w", "-t", table, "-F")
        for table in ("filter", "mangle"):
            hand("iptables", "-w", "-t", table, "-X")
        grounds.LOOK_AGAIN_S = 0.0  # type: ignore[misc]  # as if it had passed
        await space.runtime.ensure_network(own.namespace)
        assert own.bridge() in " ".join(rules())
        lost = [rule for rule in before if "RING" in rule and rule not in rules()]
        assert not lost, lost
        assert await answers(PORT)
        assert (await space.runtime.inspect(web.id)).is_attached
        await lived(space, 1, 1)  # makes what the plugins share


SCENARIOS: dict[str, Scenario] = {
    each.__name__: each
    for each in (
        cycles,
        a_shim_is_killed,
        containerd_is_killed,
        containerd_is_frozen,
        containerd_is_killed_amid_lives,
        keepers_are_killed,
        no_log_keeper_can_be_started,
        somebody_takes_networks_away,
        somebody_flushes_the_rules,
    )
}


def adapter(space: Space) -> Any:
    """With all that it can."""
    return space.runtime


def rules() -> list[str]:
    tables = ("filter", "mangle")
    listed = [(table, hand("iptables", "-w", "-t", table, "-S")) for table in tables]
    return [f"{table} {rule}" for table, told in listed for rule in told.splitlines()]


async def answers(port: int) -> bool:
    """What is published there does."""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                return b"here" in await reader.read()
            finally:
                writer.close()
    return False


async def _answers(space: Space) -> bool:
    """containerd does, to this runtime."""
    try:
        await space.runtime.ping()
    except Unavailable:
        return False
    return True


async def _answers_on(port: int) -> None:
    assert await answers(port), f"port {port} does not answer"


async def _finds(space: Space, instance_id: InstanceId, name: str) -> bool:
    """An instance does, by a name."""
    outside: Any = space.outside
    code, _ = await outside.run(instance_id, "nslookup", name)
    return bool(code == 0)


async def _reads(space: Space, instance_id: InstanceId, expected: list[str]) -> bool:
    logs = adapter(space).logs(instance_id, LogQuery())
    return [line.message async for batch in logs for line in batch] == expected


async def _served(space: Space, own: Own, name: str, port: int) -> Instance:
    order = await space.order(name, command=WEB, ports=(Port(published=port, target=80),))
    instance = await space.running(order)
    await eventually(lambda: answers(port))
    return instance


async def _pid(space: Space, instance_id: InstanceId) -> int:
    outside: Any = space.outside
    return int(await outside.pid(instance_id))


async def _is_another(own: Own, name: str, old: int) -> bool:
    return own.keeper(name) not in {0, old}


async def _has_more(told: Told, instance_id: InstanceId, before: int) -> bool:
    return len(told.of(Detached, instance_id)) > before


async def _is(told: bool) -> bool:
    return told


def _expect_away(results: list[BaseException | None]) -> None:
    """Nothing but an engine that is away, or what that brought about."""
    for error in results:
        assert error is None or _is_of_engine(error), repr(error)


def _is_of_engine(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_of_engine(one) for one in error.exceptions)
    return isinstance(error, EngineError | TimeoutError | AssertionError | asyncio.CancelledError)


async def clear(space: Space) -> None:
    for instance in await space.runtime.list():
        await space.runtime.remove(instance.id)


def server_is_killed_at_every_step(own: Own, times: int) -> None:
    """Of a life: the next server finds all that is left, and can have it away."""
    assert in_process(partial(_warm, own)) == 0
    at_every_step(own, times, partial(_lived, own), partial(_recovered, own))
    assert in_process(partial(_ended, own)) == 0


def server_is_killed_at_every_step_of_a_pull(own: Own, times: int) -> None:
    """What it has brought so far is kept, for a day: the next pull goes on from there."""
    ref = published(own)
    at_every_step(own, times, partial(_pulled, own, ref), partial(_pulled_again, own, ref))


def at_every_step(
    own: Own,
    times: int,
    act: Callable[[], Awaitable[None]],
    recover: Callable[[Census], Awaitable[None]],
) -> None:
    """times: at how many, some before the step and some amid it; 0: at every one, both ways."""
    before = own.census()
    known, telling = os.pipe()
    assert in_process(partial(stepping, act, 0, amid=False, telling=telling)) == 0
    assert in_process(partial(recover, before)) == 0
    count = int(os.read(known, 20))
    print(f"{count} steps")
    every = [(step, amid) for step in range(1, count + 1) for amid in (False, True)]
    for step, amid in every if not times else random.Random(times).sample(every, times):
        began = time.monotonic()
        ended = in_process(partial(stepping, act, step, amid=amid, telling=telling))
        assert ended in {0, -signal.SIGKILL}, (step, amid)  # there may be a step less
        assert in_process(partial(recover, before)) == 0, (step, amid)
        print(f"    {time.monotonic() - began:.2f} s")


async def stepping(
    act: Callable[[], Awaitable[None]], step: int, *, amid: bool, telling: int
) -> None:
    steps = Steps(step, amid=amid)
    with steps.counted():
        await act()
    if not step:
        os.write(telling, str(steps.count).encode())


def published(own: Own) -> str:
    """An image that a registry in this network has, and containerd has not."""
    address = engines.registry_up(own.engine)
    ref = f"{address}/kills/{own.mark}:1"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        entry = tarfile.TarInfo("data")
        entry.size = PULLED_BYTES
        tar.addfile(entry, io.BytesIO(os.urandom(PULLED_BYTES)))
    engines.make_in_containerd(
        own.socket, engines.CONTAINERD_NAMESPACE, ref, layer=content.getvalue()
    )
    hand(*_ctr(own), "images", "push", "--plain-http", ref)
    hand(*_ctr(own), "images", "remove", "--sync", ref)
    return ref


def _ctr(own: Own) -> tuple[str, ...]:
    return ("ctr", "-a", os.fspath(own.socket), "-n", engines.CONTAINERD_NAMESPACE)


async def _pulled(own: Own, ref: str) -> None:
    async with own.space() as space:
        await space.runtime.resolve_image(ref, "Always", None)


async def _pulled_again(own: Own, ref: str, before: Census) -> None:
    async with own.space() as space, Told.listening(space.runtime):
        await space.runtime.resolve_image(ref, "Always", None)
        (image,) = [
            image
            for image in await adapter(space).images()
            if any(name.startswith(ref.rpartition(":")[0]) for name in image.names)
        ]
        await adapter(space).remove_image(image.id, image.names)
        for line in hand(*_ctr(own), "leases", "list").splitlines()[1:]:
            # Of a pull that had ended but for this: containerd itself removes it in a day.
            lease, _, marks = line.split()
            assert "containerd.io/gc.expire=" in marks, line
            hand(*_ctr(own), "leases", "delete", "--sync", lease)
        await expect_clean(own, before, LENIENT)


async def _warm(own: Own) -> None:
    async with own.space() as space, Told.listening(space.runtime):
        await lived(space, 1, 1)
        await eventually(lambda: _has_collected(own))


async def _lived(own: Own) -> None:
    async with own.space() as space, Told.listening(space.runtime):
        await lived(space, 1, 1)


async def _recovered(own: Own, before: Census) -> None:
    async with own.space() as space, Told.listening(space.runtime):
        await clear(space)
        await expect_clean(own, before, LENIENT)


async def _ended(own: Own) -> None:
    async with own.space() as space:
        await adapter(space).remove_network(f"ring_{own.namespace}")
    expect_no_network(own)


LENIENT = ("descriptors", "descriptors of keepers", "descriptors of containerd")
"""Kinds of which there may be others once somebody else is connected."""


async def expect_clean(own: Own, before: Census, without: Collection[str] = ()) -> None:
    """What is there is what was there before, within a few seconds."""
    began = time.monotonic()

    async def is_clean() -> bool:
        await _collect(own)
        return not own.census().differences(before, without)

    with contextlib.suppress(TimeoutError):
        await eventually(is_clean, CLEAN_S)
    after = own.census()
    print(f"clean after {time.monotonic() - began:.2f} s: {after.sizes()}")
    assert not (found := after.differences(before, without)), "\n".join(found)


async def _collect(own: Own) -> None:
    """containerd takes away now what it would sooner or later, also what it was killed over: the
    folder of a snapshot that it did not come to note, when it next removes one."""
    name = f"collect-{uuid.uuid4().hex}"
    with contextlib.suppress(subprocess.CalledProcessError):  # it is in the way: gone the next time
        await asyncio.to_thread(hand, *_ctr(own), "snapshots", "prepare", name)
        await asyncio.to_thread(hand, *_ctr(own), "snapshots", "remove", name)
    for word in (("create", "--id", name), ("delete", "--sync", name)):
        await asyncio.to_thread(hand, *_ctr(own), "leases", *word)


async def _has_collected(own: Own) -> bool:
    """containerd removes a snapshot's folder a moment after the snapshot."""
    there = own.census()
    return there["snapshots"].total() == there["snapshot folders"].total()


async def run(own: Own, name: str, times: int) -> None:
    await _warm(own)
    before = own.census()
    await SCENARIOS[name](own, times)
    async with own.space() as space, Told.listening(space.runtime):
        await clear(space)
        await expect_clean(own, before, LENIENT)
        await adapter(space).remove_network(f"ring_{own.namespace}")
    expect_no_network(own)


def expect_no_network(own: Own) -> None:
    left = own.census()
    named = [one for kind in ("links", "rules", "files", "addresses") for one in left[kind]]
    assert not [one for one in named if own.bridge() in one or own.namespace in one], named
    assert not own.conflist().exists()


STEPPING = {
    each.__name__: each
    for each in (
        server_is_killed_at_every_step,
        server_is_killed_at_every_step_of_a_pull,
        servers.a_server_sees_what_happens,
        servers.a_server_heals_networks,
        servers.a_server_is_killed,
    )
}
"""Those that have no loop: each process of theirs makes its own."""
NAMES = (*SCENARIOS, *STEPPING)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=NAMES)
    parser.add_argument("root", type=Path)
    parser.add_argument("mark")
    parser.add_argument("times", type=int)
    told = parser.parse_args()
    own = Own(told.root, told.mark)
    if told.scenario in SCENARIOS:
        asyncio.run(run(own, told.scenario, told.times))
    else:
        STEPPING[told.scenario](own, told.times)


if __name__ == "__main__":
    main()
