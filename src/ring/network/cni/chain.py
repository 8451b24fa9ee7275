"""Runs the plugins of one network's configuration for one instance, as the CNI spec has it.

ADD goes through the chain in order, each plugin being given what the one before has said; DEL goes
back, each being given what the last one said at ADD.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ring.core.errors import EngineError
from ring.network.cni import plugins
from ring.network.cni.programs import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from ring.network.cni.programs import Programs

    Document = dict[str, Any]
    """One JSON object: a configuration, or a result."""

DEADLINE_S: Final = 60.0
"""Of one plugin."""
INTERFACE: Final = "eth0"
_PLACES: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_SAID: Final = 500
"""Characters of what is no CNI error that a message quotes."""


class PluginFailed(EngineError):
    """A plugin refused, failed, or is not there."""

    def __init__(self, plugin: str, command: str, message: str, code: int | None = None) -> None:
        """code: the plugin's own, of the CNI spec or above 99; None: it gave none."""
        said = message if code is None else f"{message} (code {code})"
        super().__init__(f"CNI plugin {plugin}, {command}: {said}")
        self.plugin = plugin
        self.code = code


@dataclass(frozen=True, slots=True)
class Attachment:
    """One instance on one network."""

    container_id: str
    netns: str
    """The path of its network namespace; empty: that is gone."""
    capabilities: Mapping[str, object] = field(default_factory=dict)
    """What `runtimeConfig` is made of: each plugin is given those that it declares."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The plugins of a network configuration (a `.conflist`), and where they are searched."""

    config: Mapping[str, Any]
    directories: Sequence[str]
    pool: Executor | None = None
    """The threads that wait for plugins; None: the loop's own."""

    async def add(self, attachment: Attachment) -> Document:
        """The result of the last plugin. What it began is there after a failure: see `delete`.

        Raises PluginFailed. Plugins that run are killed when their caller gives up.
        """
        return await in_thread(lambda programs: self._added(programs, attachment), self.pool)

    async def delete(self, attachment: Attachment, result: Mapping[str, Any] | None) -> None:
        """Idempotent. result: what ADD gave; None: nobody knows. Every plugin gets its turn, also
        after one has failed. Raises PluginFailed of the first that did."""
        await in_thread(lambda programs: self._deleted(programs, attachment, result), self.pool)

    async def check(self, attachment: Attachment, result: Mapping[str, Any]) -> None:
        """Everything is as ADD has made it. Raises PluginFailed."""
        await in_thread(lambda programs: self._checked(programs, attachment, result), self.pool)

    def _added(self, programs: Programs, attachment: Attachment) -> Document:
        result: Document | None = None
        for plugin in self._plugins():
            result = self._run(programs, "ADD", plugin, attachment, result) or result
        return result or {}

    def _deleted(
        self, programs: Programs, attachment: Attachment, result: Mapping[str, Any] | None
    ) -> None:
        failed: PluginFailed | None = None
        for plugin in reversed(self._plugins()):
            try:
                self._run(programs, "DEL", plugin, attachment, result)
            except PluginFailed as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def _checked(
        self, programs: Programs, attachment: Attachment, result: Mapping[str, Any]
    ) -> None:
        for plugin in self._plugins():
            self._run(programs, "CHECK", plugin, attachment, result)

    def _plugins(self) -> list[Document]:
        return list(self.config["plugins"])

    def _run(
        self,
        programs: Programs,
        command: str,
        plugin: Document,
        attachment: Attachment,
        previous: Mapping[str, Any] | None,
    ) -> Document | None:
        name = str(plugin["type"])
        program = plugins.find(name, self.directories)
        if program is None:
            places = ", ".join(self.directories)
            raise PluginFailed(name, command, f"it is not in {places}")
        document = {
            **plugin,
            "name": self.config["name"],
            "cniVersion": self.config["cniVersion"],
            **({"prevResult": previous} if previous is not None else {}),
        }
        declared = plugin.get("capabilities") or {}
        given = {
            key: attachment.capabilities[key]
            for key in attachment.capabilities
            if declared.get(key)
        }
        if given:
            document["runtimeConfig"] = given
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": attachment.container_id,
            "CNI_NETNS": attachment.netns,
            "CNI_IFNAME": INTERFACE,
            "CNI_PATH": os.pathsep.join(self.directories),
            "CNI_ARGS": "IgnoreUnknown=1",
            "PATH": _PLACES,
        }
        try:
            code, out, err = programs.run(
                program, environment, json.dumps(document).encode(), DEADLINE_S
            )
        except TimeoutError as error:
            said = f"it does not end within {DEADLINE_S:g} s"
            raise PluginFailed(name, command, said) from error
        except OSError as error:
            raise PluginFailed(name, command, str(error)) from error
        if code != 0:
            raise _failure(name, command, code, out, err)
        return _result(name, command, out)


def _failure(name: str, command: str, code: int, out: bytes, err: bytes) -> PluginFailed:
    try:
        told = json.loads(out)
        words = [str(told[key]) for key in ("msg", "details") if told.get(key)]
        return PluginFailed(name, command, ": ".join(words), int(told["code"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        said = (err or out).decode(errors="replace").strip()[:_MOST_SAID]
        return PluginFailed(name, command, said or f"it ends with {code} and says nothing")


def _result(name: str, command: str, out: bytes) -> Document | None:
    if command != "ADD" or not out.strip():
        return None
    try:
        told = json.loads(out)
    except (ValueError, RecursionError) as error:
        raise PluginFailed(name, command, f"its result is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise PluginFailed(name, command, "its result is no object")
    return told
