"""The error tree. A class exists only where a caller would act differently.

RingError
├── UserError      fixable by the caller: says what, where, and what to do
│   ├── NotFound
│   ├── Conflict
│   ├── Denied
│   ├── Invalid
│   └── Lapsed
├── HostError      this machine: a file, a port, a lock
└── EngineError    a container engine refused, failed or is away (runtimes.base)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ring.core.violations import Violation


class RingError(Exception):
    """Something went wrong in Ring."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """One human sentence."""
        return str(self.args[0])


class UserError(RingError):
    """The request cannot be carried out as it is."""

    def __init__(self, message: str = "", *, extra: Mapping[str, object] | None = None) -> None:
        """extra: facts for programs, by the name they have in an answer, such as `deployments`."""
        super().__init__(message)
        self.extra: Mapping[str, object] = dict(extra or {})


class NotFound(UserError):
    """There is no such object."""


class Conflict(UserError):
    """The object is in a state that does not allow this."""


class Denied(UserError):
    """The caller may not do this."""


class Invalid(UserError):
    """Rules are broken, each where it says."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        lines = (f"{one.path}: {one.message}" if one.path else one.message for one in violations)
        super().__init__("\n".join(lines))
        self.violations = tuple(violations)


class Lapsed(UserError):
    """Invalid token"""


class HostError(RingError):
    """This machine does not let Ring do its work."""


class EngineError(RingError):
    """The engine failed."""
