"""The chain of a network, with plugins that write down how they were called."""

from __future__ import annotations

import asyncio
import json
import os
import select
from typing import TYPE_CHECKING, Any

import pytest

from ring.network.cni import chain as chains
from ring.network.cni.chain import Attachment, Chain, PluginFailed

if TYPE_CHECKING:
    from pathlib import Path

NOTES = """\
#!/bin/sh
name=${{0##*/}}
echo "$CNI_COMMAND $name $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS" >>{directory}/calls
cat >{directory}/given.$CNI_COMMAND.$name
env >{directory}/environment
"""


class Plugins:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, script: str = "") -> None:
        path = self.directory / name
        path.write_text(NOTES.format(directory=self.directory) + script)
        path.chmod(0o755)

    def calls(self) -> list[str]:
        path = self.directory / "calls"
        return [line.split()[1] for line in path.read_text().splitlines()] if path.exists() else []

    def given(self, command: str, name: str) -> dict[str, Any]:
        given: dict[str, Any] = json.loads((self.directory / f"given.{command}.{name}").read_text())
        return given

    def chain(self, *plugins: dict[str, Any]) -> Chain:
        config = {"cniVersion": "1.0.0", "name": "ring_shop", "plugins": list(plugins)}
        return Chain(config, (os.fspath(self.directory),))


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    return Plugins(tmp_path)


ATTACHMENT = Attachment("shop_web_1", "/run/netns/shop_web_1", {"portMappings": [{"hostPort": 1}]})


@pytest.mark.anyio
async def test_in_order_and_back(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RING_SECRET_KEY", "s3cret")
    plugins.write("bridge", """echo '{"ips": [1]}'\n""")
    plugins.write("portmap", """echo '{"ips": [1, 2]}'\n""")
    chain = plugins.chain(
        {"type": "bridge", "mtu": 1500}, {"type": "portmap", "capabilities": {"portMappings": True}}
    )
    result = await chain.add(ATTACHMENT)
    assert result == {"ips": [1, 2]}
    await chain.check(ATTACHMENT, result)
    await chain.delete(ATTACHMENT, result)
    assert plugins.calls() == ["bridge", "portmap"] * 2 + ["portmap", "bridge"]
    named = {"name": "ring_shop", "cniVersion": "1.0.0"}
    assert plugins.given("ADD", "bridge") == {"type": "bridge", "mtu": 1500, **named}
    told = plugins.given("ADD", "portmap")
    assert told["prevResult"] == {"ips": [1]}
    assert told["runtimeConfig"] == {"portMappings": [{"hostPort": 1}]}
    assert plugins.given("DEL", "bridge")["prevResult"] == result
    assert plugins.given("CHECK", "bridge")["prevResult"] == result
    line = (plugins.directory / "calls").read_text().splitlines()[0]
    assert line == "ADD bridge shop_web_1 /run/netns/shop_web_1 eth0 IgnoreUnknown=1"
    environment = (plugins.directory / "environment").read_text()
    assert f"CNI_PATH={plugins.directory}\n" in environment
    assert "s3cret" not in environment


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("""echo '{"code": 11, "msg": "busy", "details": "later"}'; exit 1""", 11, "busy: later"),
        ("echo 'no such file' >&2; exit 3", None, "no such file"),
        ("exit 3", None, "it ends with 3 and says nothing"),
        ("kill -9 $$", None, "it ends with -9 and says nothing"),
        ("echo nonsense", None, "its result is no JSON"),
        ("echo '[]'", None, "its result is no object"),
    ],
)
async def test_what_a_plugin_says_when_it_fails(
    script: str, code: int | None, said: str, plugins: Plugins
) -> None:
    plugins.write("bridge", script)
    plugins.write("portmap")
    chain = plugins.chain({"type": "bridge"}, {"type": "portmap"})
    with pytest.raises(PluginFailed) as caught:
        await chain.add(ATTACHMENT)
    assert caught.value.code == code
    assert said in caught.value.message
    assert caught.value.message.startswith("CNI plugin bridge, ADD: ")
    assert plugins.calls() == ["bridge"]


@pytest.mark.anyio
async def test_every_plugin_gives_back_what_it_can(plugins: Plugins) -> None:
    plugins.write("bridge")
    plugins.write("firewall", """echo '{"code": 100, "msg": "stuck"}'; exit 1""")
    chain = plugins.chain({"type": "bridge"}, {"type": "gone"}, {"type": "firewall"})
    with pytest.raises(PluginFailed, match="stuck"):
        await chain.delete(Attachment("shop_web_1", ""), None)
    assert plugins.calls() == ["firewall", "bridge"]
    assert "prevResult" not in plugins.given("DEL", "bridge")


@pytest.mark.anyio
async def test_a_plugin_that_is_not_there_or_cannot_be_run(plugins: Plugins) -> None:
    with pytest.raises(PluginFailed, match=f"it is not in {plugins.directory}"):
        await plugins.chain({"type": "bridge"}).add(ATTACHMENT)
    (plugins.directory / "bridge").write_bytes(b"\x00")
    (plugins.directory / "bridge").chmod(0o755)
    with pytest.raises(PluginFailed, match="Exec format error"):
        await plugins.chain({"type": "bridge"}).add(ATTACHMENT)


@pytest.mark.anyio
async def test_a_plugin_that_does_not_end(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "DEADLINE_S", 0.05)
    plugins.write("bridge", "sleep 60 & wait")
    with pytest.raises(PluginFailed, match=r"does not end within 0\.05 s"):
        await plugins.chain({"type": "bridge"}).add(ATTACHMENT)


@pytest.mark.anyio
async def test_nothing_runs_on_when_whoever_waits_gives_up(plugins: Plugins) -> None:
    begun = plugins.directory / "begun"
    os.mkfifo(begun)
    plugins.write("bridge", f"sleep 60 & echo $! >{begun}; wait")
    plugins.write("portmap")
    adding = asyncio.create_task(
        plugins.chain({"type": "bridge"}, {"type": "portmap"}).add(ATTACHMENT)
    )
    child = int(await asyncio.to_thread(begun.read_text))
    ending = os.pidfd_open(child)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert plugins.calls() == ["bridge"]
    ended, _, _ = select.select([ending], [], [], 10)
    os.close(ending)
    assert ended
