"""A registry login out of a Docker `config.json`, as it is kept in a secret.

Only what stands in the document counts: the helpers it may name are programs on the host, and who
may write a secret may not run those.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from ring.core.model.images import HUB, place
from ring.runtimes.base import Login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HUB_KEYS = ("https://index.docker.io/v1/", HUB, "index.docker.io", "registry-1.docker.io")


class Unusable(ValueError):
    """Why a document has no login for an image. Says nothing of what stands in it."""


def login_for(image: str, document: str, source: str) -> Login:
    """The document's login for the image's registry. Raises Unusable."""
    entries = _entries(document)
    host, repository = place(image)
    for key in _keys(host, repository):
        entry = entries.get(key)
        login = _login(entry, host, source) if isinstance(entry, dict) else None
        if login is not None:
            return login
    raise Unusable(f"has no login for the registry '{host}'")


def _entries(document: str) -> Mapping[str, object]:
    try:
        data = json.loads(document)
    except (ValueError, RecursionError):
        data = None
    entries = data.get("auths") if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        raise Unusable("is not a Docker config.json with `auths`")
    return entries


def _keys(host: str, repository: str) -> Iterator[str]:
    """The narrowest first: a repository's own login, then its registry's."""
    path = repository
    while path:
        yield f"{host}/{path}"
        path = path.rpartition("/")[0]
    if host == HUB:
        yield from _HUB_KEYS
    else:
        yield from (host, f"https://{host}", f"https://{host}/", f"https://{host}/v1/")
        yield f"https://{host}/v2/"


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
    return username, password
