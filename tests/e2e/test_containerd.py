"""What other engines do by themselves and containerd leaves to Ring: names, ports, tidiness."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scripts.lib.edge import PROGRAM

from scripts import engines
from tests.contract.containerd import conflist
from tests.e2e.both import ON_CONTAINERD
from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port
from tests.e2e.story import WEB, probe
from tests.e2e.test_discovery import addresses, get
from tests.e2e.test_logs import lines, say
from tests.e2e.test_ports import answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.containerd import Containerd
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

NAMED_S = 5.0
"""A name follows a change within this."""
LEASES = Path("/var/lib/cni/networks")
STATE = Path("/var/lib/cni")
PULL = {"image_pull_policy": "IfNotPresent"}


@pytest.fixture
def images(engine: Containerd) -> Iterator[list[str]]:
    """Names of images that are removed at the end."""
    made: list[str] = []
    yield made
    engine.remove_images(made)


@ON_CONTAINERD
def test_names_ports_and_logs_need_no_server(story: Story, neighbour: Story) -> None:
    port = free_port()
    published = [{"published": port, "target": 80}]
    story.applied(
        story.worker(command=WEB, replicas=2),
        story.worker("front", command=WEB, ports=published),
        story.worker("client"),
    )
    neighbour.applied(neighbour.worker("client"))
    replicas = story.wait_whole(2)
    (front,) = story.wait_whole(1, "front")
    (client,) = story.wait_whole(1, "client")
    (foreigner,) = neighbour.wait_whole(1, "client")
    before = story.ids() | {front.id, client.id}
    found = {story.docker.address(one.id, story.namespace) for one in replicas}

    def goes_on() -> None:
        assert addresses(story, client.id) == found
        seen = {get(story, client.id, f"http://{one.name}/") for one in replicas}
        assert seen == {one.name for one in replicas}
        assert get(story, client.id, "http://front/") == front.name
        assert answer_of(port) == front.name
        code, said = story.docker.run(foreigner.id, "nslookup", "web.")
        assert code != 0, said
        for address in found:
            assert get(neighbour, foreigner.id, f"http://{address}/") is None

    wait_until(lambda: answer_of(port) == front.name, 10, "the port answers")
    goes_on()
    story.ring.kill()
    say(story, replicas[0].id, "nobody listens\\n")
    goes_on()
    story.ring.start()
    wait_until(lambda: len(story.row()["instances"]) == 2, 10, "they are known again")
    goes_on()
    assert story.ids() | {front.id, client.id} == before
    assert any(line.endswith(f"{replicas[0].name} nobody listens") for line in lines(story))
    assert story.row()["restart_count"] == 0


@ON_CONTAINERD
def test_a_name_leads_to_who_is_ready_and_there(story: Story) -> None:
    ready = probe(type="command", command="test -f /ready", port=None, interval="500ms")
    story.applied(
        story.worker(command=WEB, replicas=2, health_checks=[ready]), story.worker("client")
    )
    wait_until(lambda: len(story.docker.running(story.namespace, "web")) == 2, 20, "both are up")
    (client,) = story.wait_whole(1, "client")
    first, second = story.containers("web")
    at = {one.id: story.docker.address(one.id, story.namespace) for one in (first, second)}

    def leads_to(*wanted: str) -> None:
        named = {at[one] for one in wanted}
        wait_until(
            lambda: addresses(story, client.id) == named,
            NAMED_S,
            f"the name leads to {named} alone",
            lambda: addresses(story, client.id),
        )

    story.docker.run(first.id, "touch", "/ready")
    leads_to(first.id)
    story.docker.run(second.id, "touch", "/ready")
    leads_to(first.id, second.id)
    story.wait_whole(2)
    story.docker.run(first.id, "rm", "/ready")
    leads_to(second.id)
    story.docker.run(first.id, "touch", "/ready")
    leads_to(first.id, second.id)

    assert story.ring.run("deployment", "scale", f"{story.namespace}/web", "1").code == 0
    began = time.monotonic()
    wait_until(lambda: len(addresses(story, client.id)) == 1, NAMED_S, "one address is left")
    assert time.monotonic() - began < NAMED_S
    (left,) = story.wait_whole(1)
    leads_to(left.id)


@ON_CONTAINERD
def test_a_name_that_nobody_has_now_is_asked_of_nobody_else(tell: Tell) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    story.applied(
        story.worker(command=["sh", "-c", "exit 1"]),
        story.worker("idle", replicas=0),
        story.worker("client"),
    )
    (client,) = story.wait_whole(1, "client")
    story.wait_for("crash_loop_back_off", within_s=30)
    wait_until(lambda: not story.containers("web"), 15, "no container is left")

    def is_known(name: str) -> bool:
        """Without an address. What is forwarded is refused by whoever is asked, or by nobody."""
        code, said = story.docker.run(client.id, "nslookup", f"{name}.")
        return code == 0 and "Name:" not in said and "find" not in said

    def are_known(*names: str) -> None:
        assert [name for name in ("web", "idle", "nobody") if is_known(name)] == list(names)

    are_known("web", "idle")
    story.ring.kill()
    are_known("web", "idle")
    story.ring.start()
    wait_until(lambda: len(story.row("client")["instances"]) == 1, 10, "it is known again")
    are_known("web", "idle")
    assert story.ring.run("deployment", "delete", f"{story.namespace}/idle").code == 0
    wait_until(lambda: not is_known("idle"), NAMED_S, "the name goes with it")
    are_known("web")


@ON_CONTAINERD
def test_nothing_is_left_of_a_deployment(story: Story, engine: Containerd) -> None:
    ports = [{"published": free_port(), "target": 80}]
    story.applied(story.worker(command=WEB, ports=ports))
    (only,) = story.wait_whole(1)
    address = story.docker.address(only.id, story.namespace)
    say(story, only.id, "written\\n")
    wait_until(lambda: lines(story), 10, "it has a log")
    (task,) = [line for line in engine.ctr("tasks", "list").splitlines() if only.id in line]
    assert task.split()[2] == "RUNNING"
    places = {
        *(f"{one}" for one in cgroups(story.docker.pid(only.id))),
        f"/run/netns/{only.id}",
        f"{LEASES}/ring_{story.namespace}/{address}",
    }
    assert [one for one in sorted(places) if not Path(one).exists()] == []
    assert [one for one in rules() if address in one] != []

    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()
    assert [one for one in sorted(places) if Path(one).exists()] == []
    for kind in ("containers", "tasks", "snapshots", "leases"):
        listed = engine.ctr(kind, "list")
        assert only.id not in listed, kind
    assert only.id not in Path("/proc/self/mountinfo").read_text()
    assert [one for one in rules() if address in one or only.id in one] == []
    assert [f"{one}" for one in story.ring.home.rglob(f"*{only.id}*")] == []
    assert [f"{one}" for one in STATE.rglob(f"*{only.id}*")] == []
    assert conflist(Path(engine.host.removeprefix("unix://")), story.namespace).exists()


@ON_CONTAINERD
def test_what_an_image_says_counts(story: Story, images: list[str]) -> None:
    images += [f"{story.namespace}/{name}:1" for name in ("nginx", "entry", "whole")]
    nginx, entry, whole = images
    serve = f'CMD ["{PROGRAM}", "-g", "daemon off;"]'
    story.docker.import_image(nginx, nginx_image(), serve)
    program = tar_of({"/busybox": engines.busybox().read_bytes()})
    story.docker.import_image(entry, program, 'ENTRYPOINT ["/busybox", "echo", "first"]')
    says = 'CMD ["/busybox", "sh", "-c", "/busybox id -u; pwd; echo ${A} ${B}"]'
    told = f"USER 1234:55\nWORKDIR /where/it/is\nENV A=image B=image\n{says}"
    story.docker.import_image(whole, program, told)
    port = free_port()

    def of(name: str, image: str, **fields: Any) -> dict[str, object]:
        made = {**story.worker(name, image=image, config=PULL), **fields}
        return made if "command" in fields else {k: v for k, v in made.items() if k != "command"}

    story.applied(
        of("nginx", nginx, ports=[{"published": port, "target": 80}]),
        of("entry", entry, kind="job", command=["second", "third"]),
        of("whole", whole, kind="job", environment={"B": "manifest"}),
    )
    story.wait_whole(1, "nginx")
    wait_until(lambda: answer_of(port) == "nginx is here", 10, "nginx answers")
    for name, said in (
        ("entry", ["first second third"]),
        ("whole", ["1234", "/where/it/is", "image manifest"]),
    ):
        story.wait_for("completed", name)
        shown = story.ring.read("deployment", "logs", f"{story.namespace}/{name}")
        assert [one["message"] for one in shown] == said


@ON_CONTAINERD
def test_an_instance_has_its_limits_its_rights_and_no_more(story: Story) -> None:
    serve = "mkdir -p /tmp/w; echo low >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w"
    limits = {"limits": {"cpu": "0.5", "memory": "128Mi"}}
    user = {"user": {"id": 1000, "group": 1000}}
    story.applied(
        story.worker(resources=limits, environment={"RING_NAMESPACE": "mine"}, hostname="named"),
        story.worker("bare", config={**PULL, **user}, command=["sh", "-c", serve]),
    )
    (limited,) = story.wait_whole(1)
    (bare,) = story.wait_whole(1, "bare")
    assert limits_of(story.docker.pid(limited.id)) == (50_000, 100_000, 128 * 1024 * 1024)
    assert limits_of(story.docker.pid(bare.id)) == (None, 100_000, None)

    _, environment = story.docker.run(limited.id, "env")
    of_ring = {line for line in environment.splitlines() if line.startswith("RING_")}
    assert of_ring == {
        "RING_NAMESPACE=mine",
        "RING_DEPLOYMENT=web",
        f"RING_INSTANCE={limited.name}",
    }
    assert story.docker.run(limited.id, "hostname") == (0, "named\n")

    # without any right of its own a program of a user binds a low port, and may ping
    wait_until(partial(get, story, limited.id, "http://bare/"), 10, "it serves on port 80")
    status = Path(f"/proc/{story.docker.pid(bare.id)}/status").read_text()
    rights = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    assert int(rights["CapEff"], 16) == 0
    _, groups = story.docker.run(bare.id, "cat", "/proc/sys/net/ipv4/ping_group_range")
    assert groups.split() == ["0", "2147483647"]


def cgroups(pid: int) -> set[Path]:
    """The folders of a process, of either version."""
    root = Path("/sys/fs/cgroup")
    found = set()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        below = root / kinds.removeprefix("name=") if kinds else root
        found.add(Path(f"{below}{path}"))
    return {one for one in found if one.exists() and "ring" in one.parts}


def limits_of(pid: int) -> tuple[int | None, int, int | None]:
    """Processor time and its period in microseconds, and bytes of memory."""
    values = {}
    for folder in cgroups(pid):
        for path in folder.glob("*.*"):
            if path.name in {
                "cpu.max",
                "cpu.cfs_quota_us",
                "cpu.cfs_period_us",
                "memory.max",
                "memory.limit_in_bytes",
            }:
                values[path.name] = path.read_text().split()
    if "cpu.max" in values:
        quota, period = values["cpu.max"]
        (memory,) = values["memory.max"]
    else:
        (quota,), (period,) = values["cpu.cfs_quota_us"], values["cpu.cfs_period_us"]
        (memory,) = values["memory.limit_in_bytes"]
    unlimited = {"max", "-1"}
    bytes_ = None if memory == "max" or int(memory) > 2**60 else int(memory)
    return None if quota in unlimited else int(quota), int(period), bytes_


def rules() -> list[str]:
    found = []
    for table in ("nat", "filter", "mangle"):
        told = subprocess.run(
            ["iptables", "-w", "-t", table, "-S"], check=True, capture_output=True, text=True
        )
        found += told.stdout.splitlines()
    return found


def nginx_image() -> bytes:
    """The machine's own, with what it is linked with."""
    linked = subprocess.run(["ldd", PROGRAM], check=True, capture_output=True, text=True)
    words = [word for line in linked.stdout.splitlines() for word in line.split()]
    files = [PROGRAM, *(word for word in words if word.startswith("/"))]
    settings = (
        "user root; error_log /dev/stderr; pid /tmp/nginx.pid; events {}\n"
        "http { access_log off; server { listen 80; return 200 'nginx is here'; } }\n"
    )
    content = {path: Path(path).read_bytes() for path in files}
    content |= {"/etc/nginx/nginx.conf": settings.encode(), "/etc/passwd": b"root:x:0:0::/:/\n"}
    folders = ("/tmp", "/var/log/nginx", "/var/lib/nginx")  # noqa: S108 - in the image
    return tar_of({**content, "/etc/group": b"root:x:0:\n"}, folders)


def tar_of(files: dict[str, bytes], folders: tuple[str, ...] = ()) -> bytes:
    """Of programs and what they read."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder.removeprefix("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name.removeprefix("/"))
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
