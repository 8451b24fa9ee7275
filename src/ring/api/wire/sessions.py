"""Logins on the wire."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypedDict

from ring.api.wire.base import Body


class LoginBody(Body):
    username: str
    password: str = Field(repr=False)


class LoginShape(TypedDict):
    token: str
