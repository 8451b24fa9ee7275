"""Commands on several objects: every one is tried, the first failure decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.failures import CommandFailed, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.cli.session import Session


def attempt_all(
    session: Session, names: Iterable[str], act: Callable[[str], None]
) -> tuple[int, ...]:
    """Do it with each; the codes of the failures. A server that is away is said once."""
    codes = []
    unreachable = None
    for name in names:
        try:
            act(name)
        except Unreachable as failure:
            codes.append(failure.code)
            if failure.message != unreachable:
                session.fail(failure)
            unreachable = failure.message
        except CommandFailed as failure:
            codes.append(session.fail(failure))
    return tuple(codes)
