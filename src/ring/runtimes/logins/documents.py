"""A registry login out of a Docker `config.json`, wherever the document is kept.

Says nothing of what stands in it: a message may name the document, a host and a helper, no more.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.images import HUB, place
from ring.runtimes.base import Login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HUB_KEYS = ("https://index.docker.io/v1/", HUB, "index.docker.io", "registry-1.docker.io")


class Unusable(ValueError):
    """Why a document has no login for an image. Says nothing of what stands in it."""


@dataclass(frozen=True, slots=True)
class Document:
    """The members of a `config.json` that are about logins."""

    entries: Mapping[str, object] | None = field(repr=False)
    """`auths`; None: it has none."""
    helpers: Mapping[str, object]
    """`credHelpers`: names of programs by registry."""
    store: str
    """`credsStore`: the program for every other registry; empty: none."""

    def login(self, image: str, source: str) -> Login | None:
        """What stands in the document itself. Raises Unusable."""
        host, repository = place(image)
        entries = self.entries or {}
        for key in (*scoped_keys(host, repository), *registry_keys(host)):
            entry = entries.get(key)
            login = _login(entry, host, source) if isinstance(entry, dict) else None
            if login is not None:
                return login
        return None

    def helper(self, image: str) -> tuple[str, tuple[str, ...]] | None:
        """The name of the helper that keeps the image's login, and what to ask it for, in order."""
        host, repository = place(image)
        keys = registry_keys(host)
        for key in (*scoped_keys(host, repository), *keys):
            name = self.helpers.get(key)
            if not isinstance(name, str):
                continue
            own = () if key in keys else (key,)
            return (name, (*own, *keys)) if name else None  # empty: this registry's is in `auths`
        return (self.store, keys) if self.store else None


def parsed(text: str) -> Document:
    """Raises Unusable where it is no such document at all."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Unusable("is not a Docker config.json")
    entries, helpers = data.get("auths"), data.get("credHelpers") or {}
    store = data.get("credsStore") or ""
    if entries is not None and not isinstance(entries, dict):
        raise Unusable("is not a Docker config.json: its `auths` is no object")
    if not isinstance(helpers, dict) or not isinstance(store, str):
        raise Unusable("is not a Docker config.json: see its `credHelpers` and `credsStore`")
    return Document(entries, helpers, store)


def own_login(image: str, text: str, source: str) -> Login:
    """The login of the image's registry that stands in the document. Raises Unusable.

    The helpers that it may name are programs on the host, and whoever may write a secret may not
    run those.
    """
    try:
        document = parsed(text)
    except Unusable:
        document = None
    if document is None or document.entries is None:
        raise Unusable("is not a Docker config.json with `auths`")
    login = document.login(image, source)
    if login is None:
        raise Unusable(f"has no login for the registry '{place(image)[0]}'")
    return login


def scoped_keys(host: str, repository: str) -> Iterator[str]:
    """A repository's own login goes before its registry's: the narrowest first."""
    path = repository
    while path:
        yield f"{host}/{path}"
        path = path.rpartition("/")[0]


def registry_keys(host: str) -> tuple[str, ...]:
    """What logins write for a registry."""
    if host == HUB:
        return _HUB_KEYS
    secure = f"https://{host}"
    return (host, secure, f"{secure}/", f"{secure}/v1/", f"{secure}/v2/")


def _login(entry: Mapping[str, object], host: str, source: str) -> Login | None:
    """None: the entry holds none, as where a helper would keep it."""
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Login(host, "", "", source, identity_token=token)
    username, password = entry.get("username"), entry.get("password")
    auth = entry.get("auth")
    if isinstance(auth, str) and auth:
        username, password = _decoded(auth)
    if isinstance(username, str) and isinstance(password, str) and username:
        return Login(host, username, password, source)
    return None


def _decoded(auth: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except ValueError:
        colon = ""
    if not colon:
        raise Unusable("has an `auth` that is not base64 of user:password")
    return username, password.strip("\0")  # some tools fill it up, and Docker takes that off
