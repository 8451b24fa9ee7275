"""Everything that a deployment refers to, looked up for one instance that is about to be made.

In memory only: what comes out of here goes into the order and the pull, and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.core.model.failures import Failure, FailureClass
from ring.core.model.images import place
from ring.core.model.spec import SecretRef
from ring.engine.operating.scrubbing import scrubbed
from ring.runtimes.base import Login
from ring.runtimes.logins.documents import Unusable, own_login

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.core.model.spec import DeploymentSpec, Volume
    from ring.engine.inputs import Inputs
    from ring.store.store import Store

log = logging.getLogger(__name__)

BACKEND = "local"
INLINE = "config.server, config.username and config.password"


def has_files(row: Deployment) -> bool:
    """Configs or secrets are mounted into its instances."""
    return any(volume.type in {"config", "secret"} for volume in row.spec.volumes)


class Unresolved(RingError):
    """Something is missing: nothing is created until it is there."""

    def __init__(self, kind: FailureClass, message: str, inputs: int) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message)
        self.inputs = inputs
        """See View.inputs."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the spec refers to, in clear."""

    secrets: Mapping[str, str] = field(repr=False)
    """Environment variables whose values are secrets."""
    contents: Mapping[str, bytes] = field(repr=False)
    """Of the files to mount, by destination."""
    login: Login | None
    broken_login: str | None = None
    """Why the row's registry password is of no use: the image is only looked for locally."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Every value that no message may contain."""
    learned: list[str] = field(default_factory=list, repr=False)
    """The same of a login that was looked up when it was needed."""

    def scrub(self, failure: Failure) -> Failure:
        hidden = (*self.hidden, *self.learned)
        return replace(failure, message=scrubbed(failure.message, hidden))


class Resolver:
    """Reads from the store, on the loop's thread: one thing at a time, since a row may refer to a
    thousand of a megabyte each."""

    def __init__(self, store: Store, inputs: Inputs) -> None:
        self._store = store
        self._inputs = inputs

    async def resolve(self, row: Deployment) -> Resolved:
        """In the order in which failures are told. Raises Unresolved."""
        look = self._look(row)
        configs = await look.configs()
        await look.read_mounted_secrets()
        secrets = await look.environment()
        login, broken = look.login()
        contents = look.contents(configs)
        return Resolved(secrets, contents, login, broken, tuple(look.hidden))

    async def mounted_secrets(self, row: Deployment, instance: Instance) -> tuple[str, ...] | None:
        """Values of the secrets that are mounted into an instance of the row.

        None: one is gone, cannot be read, or was changed since the instance was made.
        """
        values = []
        for name in {one.source or "" for one in row.spec.volumes if one.type == "secret"}:
            secret = self._store.secrets.named(row.spec.namespace, name)
            if secret is None or (secret.updated_at or secret.created_at) > instance.created_at:
                return None
            value = self._store.secrets.value(row.spec.namespace, name)
            if value is None:
                return None
            values.append(value)
            await asyncio.sleep(0)
        return tuple(values)

    def login(self, row: Deployment) -> Login | None:
        """The row's registry login, as far as there is one. Raises Unresolved."""
        return self._look(row).login()[0]

    async def register_volumes(self, row: Deployment) -> None:
        """Named volumes that nobody has registered. Without them nothing is lost, so it never
        fails."""
        names = [one.source for one in row.spec.volumes if one.is_named and one.source]
        try:
            await self._store.volumes.register(row.spec.namespace, names, BACKEND)
        except RingError as error:
            log.warning("the volumes of %s were not registered: %s", row.id, error.message)

    def _look(self, row: Deployment) -> _Look:
        return _Look(self._store, row, self._inputs.count(row.key))


class _Look:
    """One row's references, looked up in one namespace."""

    def __init__(self, store: Store, row: Deployment, inputs: int) -> None:
        self._store = store
        self._row = row
        self._spec: DeploymentSpec = row.spec
        self._namespace = row.spec.namespace
        self._inputs = inputs
        self._known: dict[str, str | None] = {}
        """Secrets that were read: each may be a megabyte, and be asked for many times."""
        self._mounted: dict[str, str] = {}
        self.hidden: list[str] = []

    async def configs(self) -> Mapping[str, Mapping[str, str]]:
        """What is mounted of every config, by its name and key; what is missing is left out."""
        wanted: dict[str, set[str]] = {}
        for volume in self._volumes("config"):
            wanted.setdefault(volume.source or "", set()).add(volume.key or "")
        found: dict[str, Mapping[str, str]] = {}
        try:
            for name, keys in wanted.items():
                config = self._store.configs.named(self._namespace, name)
                if config is not None:
                    found[name] = _entries(config.data, keys)
                await asyncio.sleep(0)
        except RingError as error:
            raise self._unresolved(
                FailureClass.CONFIG_UNREADABLE,
                f"The configs of namespace '{self._namespace}' cannot be read: {error.message}",
            ) from error
        return found

    async def read_mounted_secrets(self) -> None:
        for name in dict.fromkeys(one.source or "" for one in self._volumes("secret")):
            value = self._secret(name, FailureClass.SECRET_UNREADABLE, f"Secret '{name}'")
            if value is not None:
                self._mounted[name] = value
            await asyncio.sleep(0)

    async def environment(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for variable, value in self._spec.environment.items():
            if not isinstance(value, SecretRef):
                continue
            kind, what = FailureClass.SECRET_UNRESOLVED, f"Secret '{value.secretRef}'"
            secret = self._secret(value.secretRef, kind, what)
            if secret is None:
                raise self._missing(kind, what)
            found[variable] = secret
            await asyncio.sleep(0)
        return found

    def login(self) -> tuple[Login | None, str | None]:
        """Inline, or out of the pull secret; and why the inline one is of no use."""
        config = self._spec.config
        if config is None:
            return None, None
        if config.image_pull_secret:
            return self._pull_secret(config.image_pull_secret), None
        if config.username is None or self._row.password is None:
            return None, None
        try:
            password = self._store.password(self._row)
        except RingError as error:
            return None, (
                f"Failed to pull image '{self._spec.image}': config.password cannot be decrypted "
                f"({error.message}); apply the manifest again"
            )
        assert password is not None  # noqa: S101 - the row has one
        self.hidden.append(password)
        server = config.server or place(self._spec.image)[0]
        return Login(server, config.username, password, INLINE), None

    def contents(self, configs: Mapping[str, Mapping[str, str]]) -> Mapping[str, bytes]:
        """What is in each file, by its destination."""
        found: dict[str, bytes] = {}
        for volume in self._spec.volumes:
            name = volume.source or ""
            if volume.type == "config":
                entry = self._entry(configs, name, volume.key or "")
                found[volume.destination] = entry.encode(errors="replace")  # half of a pair
            elif volume.type == "secret":
                if name not in self._mounted:
                    raise self._missing(FailureClass.MOUNTED_SECRET_MISSING, f"Secret '{name}'")
                found[volume.destination] = self._mounted[name].encode()
        return found

    def _volumes(self, kind: str) -> Iterator[Volume]:
        return (volume for volume in self._spec.volumes if volume.type == kind)

    def _secret(self, name: str, kind: FailureClass, what: str) -> str | None:
        """None: there is none. Raises Unresolved where it cannot be read."""
        if name in self._known:
            return self._known[name]
        try:
            value = self._store.secrets.value(self._namespace, name)
        except RingError as error:
            raise self._unresolved(
                kind, f"{what} of namespace '{self._namespace}' cannot be read: {error.message}"
            ) from error
        if value is not None:
            self.hidden.append(value)
        self._known[name] = value
        return value

    def _pull_secret(self, name: str) -> Login:
        kind, what = FailureClass.PULL_SECRET_UNRESOLVED, f"image_pull_secret '{name}'"
        document = self._secret(name, kind, what)
        if document is None:
            raise self._missing(kind, what)
        try:
            login = own_login(self._spec.image, document, what)
        except Unusable as error:
            raise self._unresolved(
                kind, f"{what} of namespace '{self._namespace}' {error}"
            ) from None
        self.hidden += [login.password, login.identity_token]
        return login

    def _entry(self, configs: Mapping[str, Mapping[str, str]], name: str, key: str) -> str:
        kind = FailureClass.MOUNTED_CONFIG_MISSING
        if name not in configs:
            raise self._missing(kind, f"Config '{name}'")
        if key not in configs[name]:
            raise self._missing(kind, f"Key '{key}' not found in config '{name}'", found="")
        return configs[name][key]

    def _missing(self, kind: FailureClass, what: str, *, found: str = " not found") -> Unresolved:
        return self._unresolved(kind, f"{what}{found} in namespace '{self._namespace}'")

    def _unresolved(self, kind: FailureClass, message: str) -> Unresolved:
        return Unresolved(kind, message, self._inputs)


def _entries(data: str, keys: Collection[str]) -> Mapping[str, str]:
    """These of a config's entries, as files have them: text as it is, anything else as JSON; none
    where it is no JSON object."""
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(held, dict):
        return {}
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in held.items()
        if key in keys
    }
