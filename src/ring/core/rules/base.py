"""What a rule is, and how one is run on a body of which parts may be missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from ring.core.violations import Path, Violation, path_text

if TYPE_CHECKING:
    from ring.core.model.capabilities import Capabilities
    from ring.core.model.spec import DeploymentSpec

T = TypeVar("T")
Finding = tuple[Path, str]
"""Where, and the message."""
Check = Callable[["Case"], Iterator[Finding]]

CAPABILITIES: Final = "runtime.capabilities"
"""Read by a rule that asks what the runtime honours: unknown while the runtime is not enabled."""


@dataclass(frozen=True, slots=True)
class Case:
    """One body in front of one rule."""

    spec: DeploymentSpec
    capabilities: Capabilities
    enabled: bool
    """The runtime is enabled on the server."""
    skipped: frozenset[Path] = frozenset()
    """List items and map entries this rule cannot judge."""

    def each(self, where: str, items: Iterable[T]) -> Iterator[tuple[int, T]]:
        """The judgeable items of the list at `where`, with their indices."""
        base = tuple(where.split("."))
        return (
            (index, item) for index, item in enumerate(items) if (*base, index) not in self.skipped
        )

    def entries(self, where: str, items: Mapping[str, T]) -> Iterator[tuple[str, T]]:
        """The judgeable entries of the map at `where`."""
        base = tuple(where.split("."))
        return ((key, item) for key, item in items.items() if (*base, key) not in self.skipped)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the rule table."""

    code: str
    """May hold `{runtime}`: the runtime's name with `_` for `-`."""
    reads: tuple[str, ...]
    """Members without which it cannot be judged; `[]` stands for any item or map key."""
    summary: str
    """When it is violated."""
    check: Check

    def codes(self, runtimes: Iterable[str]) -> tuple[str, ...]:
        """The codes it can give on these runtimes."""
        return tuple(dict.fromkeys(self._code(runtime) for runtime in runtimes))

    def _code(self, runtime: str) -> str:
        return self.code.format(runtime=runtime.replace("-", "_"))

    def run(self, case: Case, damage: Damage) -> Iterator[Violation]:
        """Its violations, none for what depends on a broken path."""
        skipped: set[Path] = set()
        for read in self.reads:
            items = damage.items(read)
            if items is None:
                return
            skipped |= items
        code = self._code(case.spec.runtime)
        mine = Case(case.spec, case.capabilities, case.enabled, frozenset(skipped))
        for path, message in self.check(mine):
            yield Violation(path_text(path), code, message)


def rule(code: str, *reads: str) -> Callable[[Check], Rule]:
    """Makes a rule of a check; its docstring says when the rule is violated."""

    def make(check: Check) -> Rule:
        return Rule(code, reads, (check.__doc__ or "").strip(), check)

    return make


def by_shape(code: str, read: str, summary: str) -> Rule:
    """A line of the table that fitting to the shape already answers for."""
    return Rule(code, (read,), summary, lambda _case: iter(()))


class Damage:
    """What the broken paths of one body leave readable; each read member is looked up once."""

    def __init__(self, broken: Iterable[Path]) -> None:
        self._broken: dict[str | int, list[Path]] = {}
        for path in broken:
            self._broken.setdefault(path[0], []).append(path)
        self._known: dict[str, frozenset[Path] | None] = {}

    def items(self, read: str) -> frozenset[Path] | None:
        """List items and map entries in which a member cannot be read; None: nowhere at all."""
        if read not in self._known:
            parts = read.replace("[]", ".[]").split(".")
            spoiled = {_spoiled(parts, path) for path in self._broken.get(parts[0], ())} - {None}
            self._known[read] = None if () in spoiled else frozenset(filter(None, spoiled))
        return self._known[read]


def _spoiled(parts: list[str], broken: Path) -> Path | None:
    """What of a read member a broken path spoils: () all of it, a path one item, None nothing."""
    if len(broken) > len(parts):
        return None
    item: Path = ()
    for index, (part, found) in enumerate(zip(parts, broken, strict=False)):
        if part == "[]":
            item = broken[: index + 1]
        elif part != found:
            return None
    return item
