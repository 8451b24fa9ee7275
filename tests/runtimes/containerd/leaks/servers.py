"""A whole server on a containerd of one's own, and what happens to both."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from scripts.engines import TEST_IMAGE

from ring.core.model.ids import InstanceId
from tests.e2e.containerd import Containerd
from tests.e2e.outside import Docker
from tests.e2e.polling import wait_until
from tests.e2e.ring import Ring
from tests.e2e.story import WEB, Story
from tests.runtimes.containerd.leaks.own import hand, kill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.runtimes.containerd.leaks.own import Own

COUNTED_S = 1.0
"""An end is counted within this, whatever the server's interval is."""
INTERVAL_S = 2
SELDOM_S = 60
"""An interval that nothing of interest may wait for."""
PORT = 19100


@contextlib.contextmanager
def story(own: Own, interval_s: int = INTERVAL_S) -> Iterator[Story]:
    """A server that has been started, on this containerd."""
    home = own.engine.root / "server"
    host = f"unix://{own.socket}"
    ring = Ring(home, host, runtime="containerd", interval_s=interval_s)
    own.homes.append(home / "run")
    outside = Containerd(own.socket, Docker("unix:///nonexistent/docker.sock"), home.parent)
    watch: Any = None
    try:
        ring.start()
        ring.login()
        yield Story(ring, outside, own.namespace, TEST_IMAGE, watch, "containerd")
    finally:
        ring.kill()


def a_server_sees_what_happens(own: Own, _: int) -> None:
    """An end is counted once, at once, and what ended is replaced; also on a containerd that was
    killed meanwhile, which costs nothing else."""
    with story(own, SELDOM_S) as one:
        warm(one)
        before = own.census()
        post(one, replicas=3)
        ids = {each.id for each in one.wait_whole(3)}

        print("a crash")
        crash(one, lambda: one.crash(min(ids)), 1)
        print("a shim that is killed")
        crash(one, lambda: kill(own.shim(InstanceId(min(one.ids())))), 2)

        print("containerd is killed")
        ids = {each.id for each in one.wait_whole(3)}
        doomed = min(ids)
        pid = one.docker.pid(doomed)
        own.kill()
        wait_until(lambda: one.told("runtime_unavailable"), 20, "it is told to be away")
        assert one.status() == "running"
        kill(pid)
        began = time.monotonic()
        own.start()
        wait_until(
            lambda: one.ids() - ids and doomed not in one.ids(),
            20,
            "what ended is replaced",
            one.account,
        )
        there = {each.id for each in one.wait_whole(3)}
        print(f"    whole again after {time.monotonic() - began:.2f} s")
        assert len(there & ids) == 2
        (recovered,) = one.told("instances_recovered")
        assert "1 ended while Ring was not watching" in recovered.message
        print("a crash afterwards")
        crash(one, lambda: one.crash(min(there & ids)), 3)
        delete(one)
        expect_clean(own, before)


def a_server_heals_networks(own: Own, _: int) -> None:
    """That somebody took away by hand."""
    with story(own) as one:
        warm(one)
        before = own.census()
        site = list(WEB)
        post(one, command=site, ports=[{"published": PORT, "target": 80}])
        (web,) = one.wait_whole(1)
        inside = ("nsenter", f"--net=/run/netns/{web.id}")
        for what, argv in {
            "its name": ("ip", "netns", "delete", web.id),
            "its interface": (*inside, "ip", "link", "delete", "eth0"),
            "the bridge": ("ip", "link", "delete", own.bridge()),
        }.items():
            hand(*argv)
            began = time.monotonic()
            wait_until(
                lambda: is_plugged(own, web.id) and answers(PORT),
                INTERVAL_S + 10,
                f"it is there again without {what}",
                one.account,
            )
            print(f"without {what}: {time.monotonic() - began:.2f} s")
        address = own.conflist().read_text()
        own.conflist().unlink()
        post(one, name="other", command=site)
        one.wait_whole(1, "other")
        assert own.conflist().read_text() == address
        assert one.ids() == {web.id}
        assert one.row()["restart_count"] == 0
        delete(one, "other")
        delete(one)
        expect_clean(own, before)


def a_server_is_killed(own: Own, times: int) -> None:
    """At any moment; the next one ends up where the last was told to go, and leaves nothing."""
    chance = random.Random(times)
    with story(own) as one:
        warm(one)
        before = own.census()
        slowest = 0.0
        for turn in range(times):
            act = chance.choice(("more", "less", "change", "delete", "crash"))
            replicas = chance.randint(1, 4)
            if act == "delete":
                one.ring.ask("DELETE", f"/deployments/{row_id(one)}")
            elif act == "crash" and (there := one.ids()):
                with contextlib.suppress(KeyError, ProcessLookupError):
                    one.crash(min(there))
            else:
                env = {"TURN": f"{turn}"} if act == "change" else {}
                post(one, replicas=replicas, environment=env)
            time.sleep(chance.uniform(0.0, 1.5))
            one.ring.kill()
            began = time.monotonic()
            one.ring.start()
            if chance.random() < 0.5:
                post(one, replicas=replicas)
                one.wait_whole(replicas, within_s=40)
                slowest = max(slowest, time.monotonic() - began)
        post(one, replicas=2)
        one.wait_whole(2, within_s=40)
        delete(one)
        expect_clean(own, before)
        print(f"{times} kills, whole again after at most {slowest:.1f} s")


def post(one: Story, name: str = "web", **fields: object) -> None:
    """As `ring apply` does, without its process."""
    status, told = one.ring.ask("POST", "/deployments", one.worker(name, **fields))
    assert status in {200, 201, 202}, told


def warm(one: Story) -> None:
    """What is made once is there afterwards."""
    post(one, ports=[{"published": PORT, "target": 80}])
    one.wait_whole(1)
    delete(one)


def delete(one: Story, name: str = "web") -> None:
    status, told = one.ring.ask("DELETE", f"/deployments/{row_id(one, name)}")
    assert status in {200, 202, 204}, told
    one.wait_gone(name)


def row_id(one: Story, name: str = "web") -> str:
    active = [row["id"] for row in one.rows(name) if row["status"] != "deleted"]
    return active[0] if active else "none"


def crash(one: Story, act: Callable[[], None], count: int) -> None:
    """What ends by this is counted, and replaced."""
    act()
    began = time.monotonic()
    wait_until(
        lambda: len(one.told("container_crashed")) == count,
        COUNTED_S,
        "it is counted",
        one.account,
    )
    counted = time.monotonic() - began
    one.wait_whole(3, within_s=10)
    print(f"    counted after {counted:.2f} s, replaced after {time.monotonic() - began:.2f} s")
    assert len(one.told("container_crashed")) == count


def is_plugged(own: Own, instance_id: str) -> bool:
    """As the kernel sees it."""
    asked = ("nsenter", f"--net=/run/netns/{instance_id}", "ip", "link", "show", "eth0")
    is_inside = subprocess.run(asked, capture_output=True, check=False).returncode == 0
    return is_inside and own.bridge() in hand("ip", "link")


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
        return bool(answer.read())
    return False


def expect_clean(own: Own, before: Any) -> None:
    lenient = ("descriptors", "descriptors of keepers", "descriptors of containerd")
    began = time.monotonic()
    wait_until(
        lambda: not own.census().differences(before, lenient),
        15,
        "nothing is left",
        lambda: "\n".join(own.census().differences(before, lenient)),
    )
    print(f"clean after {time.monotonic() - began:.2f} s: {own.census().sizes()}")
