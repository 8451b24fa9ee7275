"""The registry logins of the server's host, for deployments that ask for them.

Two have to agree: the deployment with `config.use_host_auth`, and the server's operator with
`use_host_registry_auth` of the runtime. Everything is read anew for each lookup, so a login on the
host counts at once. A lookup that fails is a pull that fails, never an anonymous one.
"""

from __future__ import annotations

import asyncio
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.failures import FailureClass
from ring.core.model.images import HUB, place
from ring.runtimes.base import Login, RuntimeFailure
from ring.runtimes.logins import helpers
from ring.runtimes.logins.documents import Document, Unusable, parsed
from ring.runtimes.logins.helpers import HelperFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENVIRONMENT = "login_environment"
"""The option with the variables that helpers get. Ring's own are not among them."""
FILES = "login_files"
"""The option with the files to look in where the table names none, in order."""

_LONGEST_BYTES = 1024 * 1024
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold the reader


@dataclass(frozen=True, slots=True)
class HostFiles:
    """The files of one runtime, and whether they may be used."""

    table: str
    """Of the settings, for messages: `server.runtime.docker`."""
    is_allowed: bool
    files: Sequence[Path]
    """Looked through in order; those that are not there are passed over."""
    environment: Mapping[str, str] = field(repr=False)

    async def login(self, image: str) -> Login:
        """The host's login for the image's registry. Raises RuntimeFailure(IMAGE_PULL_FAILED).

        Takes at most helpers.TIMEOUT_S for each file that names a helper.
        """
        try:
            return await self._found(image)
        except Unusable as error:
            raise RuntimeFailure(
                FailureClass.IMAGE_PULL_FAILED, f"Failed to pull image '{image}': {error}"
            ) from error

    async def _found(self, image: str) -> Login:
        if not self.is_allowed:
            raise Unusable(
                "use_host_auth is not authorized by this server: its operator has to set "
                f"use_host_registry_auth = true in [{self.table}]"
            )
        read: list[str] = []
        for path in self.files:
            document = await asyncio.to_thread(self._document, path)
            if document is None:
                continue
            read.append(str(path))
            login = await self._in(document, path, image)
            if login is not None:
                return login
        if not read:
            raise self._unreadable(", ".join(map(str, self.files)), "there is no such file")
        host = place(image)[0]
        command = "docker login" if host == HUB else f"docker login {host}"
        raise Unusable(
            f"no host credential for the registry '{host}' in {', '.join(read)}: "
            f"run `{command}` as the server's user"
        )

    def _document(self, path: Path) -> Document | None:
        """None: there is no such file. Raises Unusable."""
        try:
            with os.fdopen(os.open(path, _OPEN), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise self._unreadable(str(path), "that is no file")
                content = file.read(_LONGEST_BYTES + 1)
        except FileNotFoundError:
            return None
        except IsADirectoryError as error:
            raise self._unreadable(str(path), "that is no file") from error
        except OSError as error:
            raise self._unreadable(str(path), (error.strerror or "unreadable").lower()) from error
        if len(content) > _LONGEST_BYTES:
            raise self._unreadable(str(path), f"it has more than {_LONGEST_BYTES} bytes")
        try:
            return parsed(content.decode(errors="replace"))
        except Unusable as error:
            raise Unusable(f"{path} {error} (host_registry_config of [{self.table}])") from error

    async def _in(self, document: Document, path: Path, image: str) -> Login | None:
        """By a helper where the document names one, else by what stands in it."""
        host = place(image)[0]
        if (named := document.helper(image)) is not None:
            name, keys = named
            try:
                kept = await helpers.ask(name, keys, self.environment)
            except HelperFailed as error:
                raise Unusable(
                    f"the credential helper for the registry '{host}' that {path} names: {error}"
                ) from error
            if kept is not None:
                source = f"use_host_auth ({helpers.program(name)}, named in {path})"
                if kept.username == helpers.TOKEN_USER:
                    return Login(host, "", "", source, identity_token=kept.secret)
                return Login(host, kept.username, kept.secret, source)
        try:
            return document.login(image, f"use_host_auth (the host's login in {path})")
        except Unusable as error:
            raise Unusable(f"{path} {error}, for the registry '{host}'") from error

    def _unreadable(self, where: str, why: str) -> Unusable:
        return Unusable(
            f"the host's registry logins cannot be read from {where}: {why}; log in there as the "
            f"server's user, or set host_registry_config in [{self.table}]"
        )


def host_files(table: str, options: Mapping[str, object]) -> HostFiles:
    """The files of a runtime with these settings. Raises HostError."""
    allowed = options.get("use_host_registry_auth", False)
    if not isinstance(allowed, bool):
        raise HostError(f"use_host_registry_auth of [{table}] is {allowed!r}: write true or false")
    named = options.get("host_registry_config")
    if named is not None and not (isinstance(named, str) and named.strip()):
        raise HostError(f"host_registry_config of [{table}] is {named!r}: write the path of a file")
    files, environment = options.get(FILES, ()), options.get(ENVIRONMENT, {})
    assert isinstance(files, tuple)  # noqa: S101 - settings alone write it
    assert isinstance(environment, dict)  # noqa: S101 - the same
    chosen = (_path(named),) if isinstance(named, str) else tuple(Path(one) for one in files)
    return HostFiles(table, allowed, chosen, environment)


def _path(written: str) -> Path:
    """With the home directory in place of its mark."""
    path = Path(written.strip())
    try:
        return path.expanduser()
    except RuntimeError:  # nobody's home
        return path
