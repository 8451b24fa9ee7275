"""What the server says of itself, on the wire."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class HealthShape(TypedDict):
    state: Literal["UP"]
