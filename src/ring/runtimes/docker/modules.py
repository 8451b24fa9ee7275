"""Which security modules the engine confines instances with: AppArmor, SELinux.

The engine ignores a label where it has SELinux off, and starts nothing under a profile where there
is no AppArmor: so both are refused in time, when a deployment is made.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.runtimes.docker import payload

if TYPE_CHECKING:
    from ring.runtimes.docker.connection import Connection

SYSTEM: Final = Path("/sys")
OPTIONS: Final = {"apparmor": "security.apparmor", "selinux": "security.selinux"}
_SIGNS: Final = ("module/apparmor", "fs/selinux")
"""Of a kernel that may have one of them, below SYSTEM."""
_log = logging.getLogger(__name__)


class Modules:
    """What is known of one engine. Before `learn` it is nothing, so that nothing is promised."""

    def __init__(self, connection: Connection, *, is_remote: bool, system: Path = SYSTEM) -> None:
        self._connection = connection
        self._is_remote = is_remote
        self._system = system
        self._options: frozenset[str] | None = None

    @property
    def options(self) -> frozenset[str]:
        """Those of `security.apparmor` and `security.selinux` that it honours."""
        return self._options or frozenset()

    @property
    def has_selinux(self) -> bool:
        return OPTIONS["selinux"] in self.options

    async def learn(self) -> None:
        """Asks the engine, once. Raises Unavailable.

        Its answer costs it about 50 ms: where this kernel has neither module it is not asked.
        """
        if self._options is not None:
            return
        if not self._is_remote and not any((self._system / sign).exists() for sign in _SIGNS):
            self._options = frozenset()
            return
        answer = await self._connection.call("GET", "/info")
        if answer.status != HTTPStatus.OK:
            _log.info(
                "the engine does not tell its security modules (%s): "
                "security.apparmor and security.selinux are refused",
                answer.message,
            )
            self._options = frozenset()
            return
        told = payload.texts(payload.as_payload(answer.json()), "SecurityOptions")
        names = {part for option in told for part in option.split(",")}
        self._options = frozenset(
            option for module, option in OPTIONS.items() if f"name={module}" in names
        )
