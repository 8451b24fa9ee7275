"""A request that asks for a WebSocket into the headers that agree to it.

What speaks over one is imported with the first: 20 ms of a server's start.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from ring.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_KEY_BYTES = 16


def accepted(request: Request, protocol: str) -> Mapping[str, str]:
    """The headers that say yes. Raises 426 and 400 for what does not ask for this."""
    headers = request.headers
    hint = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
    if request.method != "GET" or not (
        "websocket" in _words(headers.getlist("upgrade"))
        and "upgrade" in _words(headers.getlist("connection"))
    ):
        raise Problem(426, "this is spoken over a WebSocket: ask for an upgrade", headers=hint)
    if headers.get("sec-websocket-version") != "13":
        hint["Sec-WebSocket-Version"] = "13"
        raise Problem(426, "only version 13 of WebSocket is spoken", headers=hint)
    key = headers.get("sec-websocket-key", "")
    if not _is_key(key):
        raise Problem(400, "header 'Sec-WebSocket-Key': not 16 bytes in base64")
    if protocol not in _words(headers.getlist("sec-websocket-protocol")):
        raise Problem(400, f"header 'Sec-WebSocket-Protocol': only {protocol} is spoken")
    from wsproto.utilities import generate_accept_token

    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": generate_accept_token(key.encode()).decode(),
        "Sec-WebSocket-Protocol": protocol,
    }


def _words(values: list[str]) -> set[str]:
    return {word.strip().lower() for value in values for word in value.split(",")}


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (ValueError, binascii.Error):
        return False
