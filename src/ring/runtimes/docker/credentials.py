"""A registry login in the engine's words: a header that goes with a pull, and with nothing else."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.base import Login

HEADER = "X-Registry-Auth"


def headers(login: Login | None) -> Mapping[str, str]:
    """None: the registry is asked as nobody."""
    if login is None:
        return {}
    told = {"username": login.username, "password": login.password}
    if login.identity_token:
        told = {"identitytoken": login.identity_token}
    text = json.dumps({**told, "serveraddress": login.server})
    return {HEADER: base64.urlsafe_b64encode(text.encode()).decode()}
