"""Query parameters: strict switches, bounded numbers, repeated filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request


def switch(request: Request, name: str) -> bool:
    """Exactly `true` or `false`; absent is false. Raises 400."""
    return optional_switch(request, name) or False


def optional_switch(request: Request, name: str) -> bool | None:
    """The same where absent means something of its own: None."""
    on: bool | None = None
    for value in request.query_params.getlist(name):
        if value not in {"true", "false"}:
            raise Problem(400, f"query parameter '{name}' must be true or false")
        on = value == "true"
    return on


def loose_switch(request: Request, name: str) -> bool:
    """`true` or `1`; anything else is false."""
    return request.query_params.get(name) in {"true", "1"}


def number(request: Request, name: str, *, default: int, cap: int) -> int:
    """A whole number, not negative, cut to `cap`. Raises 400."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise Problem(400, f"query parameter '{name}' must be a whole number")
    return cap if len(text) > 9 else min(int(text), cap)


def values(request: Request, name: str) -> list[str]:
    """All values of `name` and `name[]`, in no order that matters."""
    params = request.query_params
    return [*params.getlist(name), *params.getlist(f"{name}[]")]
