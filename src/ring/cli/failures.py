"""How a command fails: exit codes and the lines people read."""

from __future__ import annotations

from ring.core.errors import RingError

GENERAL = 1
AUTH = 2
USAGE = 2
CONNECTION = 3
NOT_FOUND = 4
CONFLICT = 5
TIMED_OUT = 124
"""As timeout(1) has it."""
INTERRUPTED = 130

_BY_STATUS = {401: AUTH, 403: AUTH, 404: NOT_FOUND, 409: CONFLICT}


class CommandFailed(RingError):
    """A command ends; the message is what stderr shows, complete."""

    def __init__(self, message: str, code: int = GENERAL) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(CommandFailed):
    """No HTTP response came."""

    def __init__(self, message: str) -> None:
        super().__init__(message, CONNECTION)


def exit_code(status: int) -> int:
    """The exit code of an HTTP status."""
    return 0 if 200 <= status < 300 else _BY_STATUS.get(status, GENERAL)


def item_failed(kind: str, name: str, status: int, why: str = "") -> CommandFailed:
    """The failure of a command about one object; `why` is the server's own trouble."""
    target = f"{kind} '{name}'"
    if status == 404:
        line = f"error: {target} not found"
    elif status == 409:
        line = f"error: {target} already exists or still has dependents"
    elif status in {401, 403}:
        line = f"error: not authorized to act on {target}{_login_hint(status)}"
    else:
        line = f"error: {target}: request failed ({status}){_because(why)}"
    return CommandFailed(line, exit_code(status))


def scoped_list_failed(
    kinds: str, namespaces: tuple[str, ...], status: int, why: str = ""
) -> CommandFailed:
    """The failure of a list that takes a namespace filter."""
    reason = {
        401: "not authorized",
        403: "not authorized",
        404: "namespace not found",
    }.get(status, f"request failed ({status}){_because(why)}")
    scope = ",".join(namespaces) or "all"
    line = f"error: cannot list {kinds} in namespace '{scope}': {reason}"
    return CommandFailed(line, exit_code(status))


def global_list_failed(kinds: str, status: int, why: str = "") -> CommandFailed:
    """The failure of a list that knows no namespaces."""
    if status in {401, 403}:
        line = f"error: not authorized to list {kinds}"
    else:
        line = f"error: cannot list {kinds}: request failed ({status}){_because(why)}"
    return CommandFailed(line, exit_code(status))


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _login_hint(status: int) -> str:
    return " — run `ring login` or set RING_TOKEN" if status == 401 else ""
