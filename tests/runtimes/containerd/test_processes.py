"""What process a command is, made of its container's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.commands import Command, Size
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import processes
from ring.runtimes.containerd.oci.users import ResolvedUser

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPS = ["CAP_CHOWN", "CAP_KILL"]
OWN: Mapping[str, object] = {
    "terminal": False,
    "consoleSize": {"height": 1, "width": 2},
    "user": {"uid": 1000, "gid": 1000, "additionalGids": [1000, 7]},
    "args": ["serve"],
    "env": ["PATH=/bin", "A=1", "HOME=/home/own", "EMPTY="],
    "cwd": "/srv",
    "capabilities": {
        "bounding": CAPS,
        "effective": ["CAP_KILL"],
        "permitted": ["CAP_KILL"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    },
    "noNewPrivileges": True,
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
}


def made(command: Command, user: ResolvedUser | None = None) -> dict[str, Any]:
    packed = processes.of_command(OWN, command, "1-2-3-f00d", user)
    assert packed.type_url == "types.containerd.io/opencontainers/runtime-spec/1/Process"
    found: dict[str, Any] = json.loads(packed.value)
    return found


def test_what_is_not_said_is_the_containers_own() -> None:
    found = made(Command(("ls", "-l")))
    assert found.pop("args") == ["ls", "-l"]
    assert found.pop("env") == [
        "PATH=/bin", "A=1", "HOME=/home/own", "EMPTY=", "RING_EXEC=1-2-3-f00d"
    ]  # fmt: skip
    assert found == {name: OWN[name] for name in found}
    assert OWN.keys() - found.keys() == {"args", "env", "consoleSize"}


def test_what_is_said() -> None:
    environment = {"A": "2", "B": "x=y", "RING_EXEC": "mine"}
    found = made(Command(("ls",), directory="/etc", environment=environment))
    assert found["cwd"] == "/etc"
    assert found["env"] == [
        "PATH=/bin", "A=2", "HOME=/home/own", "EMPTY=", "B=x=y", "RING_EXEC=1-2-3-f00d"
    ]  # fmt: skip


def test_a_terminal() -> None:
    found = made(Command(("sh",), has_terminal=True, size=Size(rows=31, columns=97)))
    assert found["terminal"] is True
    assert found["consoleSize"] == {"height": 31, "width": 97}
    assert "TERM=xterm" in found["env"]
    assert "consoleSize" not in made(Command(("sh",), has_terminal=True))
    told = Command(("sh",), has_terminal=True, environment={"TERM": "vt100"})
    assert [one for one in made(told)["env"] if one.startswith("TERM=")] == ["TERM=vt100"]


@pytest.mark.parametrize(("uid", "held"), [(0, CAPS), (7, [])])
def test_another_user_holds_what_the_kernel_would_let_him(uid: int, held: list[str]) -> None:
    user = ResolvedUser(uid, 8, (8, 9), "/home/he")
    found = made(Command(("id",), user="he"), user)
    assert found["user"] == {"uid": uid, "gid": 8, "additionalGids": [8, 9]}
    assert found["capabilities"] == {
        "bounding": CAPS,
        "effective": held,
        "permitted": held,
        "inheritable": [],
        "ambient": [],
    }
    assert "HOME=/home/he" in found["env"]


def test_the_environment() -> None:
    spec = json.dumps({"process": OWN}).encode()
    assert processes.environment(processes.own_process(spec)) == {
        "PATH": "/bin",
        "A": "1",
        "HOME": "/home/own",
        "EMPTY": "",
    }
    assert processes.environment({}) == {}


@pytest.mark.parametrize("spec", [b"", b"\xff", b"[]", b"{}", b'{"process": 3}', b"null"])
def test_a_spec_that_is_none(spec: bytes) -> None:
    with pytest.raises(RuntimeFailure, match="cannot be read"):
        processes.own_process(spec)
