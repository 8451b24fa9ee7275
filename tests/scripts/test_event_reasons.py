"""Every event that the code writes stands in the table of docs/operations.md, with its level."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from ring.core.model.failures import TREATMENT, FailureClass
from ring.runtimes.shortcomings import NO_ISOLATION, NO_NAMES, PORTS_RELAYED
from scripts import docs

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = docs.ROOT / "src" / "ring"
OF_NETWORKS = dict.fromkeys((NO_ISOLATION, NO_NAMES, PORTS_RELAYED), "warning")
ROW = re.compile(r"\| (`[a-z_`, ]+`) \| ([a-z, ]+) \|")


def written() -> Iterator[tuple[str, str]]:
    """Reason and level of each call that is given `Level.X` and then the reason, by literals."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from told_by(node)


def told_by(call: ast.Call) -> Iterator[tuple[str, str]]:
    for level, reason in pairwise(call.args):
        match level, reason:
            case (
                ast.Attribute(value=ast.Name(id="Level"), attr=name),
                ast.Constant(value=str(text)),
            ):
                yield text, name.lower()


def documented() -> dict[str, str]:
    page = (docs.ROOT / "docs" / "operations.md").read_text()
    table = page.partition("| Reason | Level |")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for line in table.splitlines():
        if row := ROW.match(line):
            reasons = re.findall(r"`([a-z_]+)`", row[1])
            levels = row[2].split(", ")
            found.update(zip(reasons, levels if levels[1:] else levels * len(reasons), strict=True))
    return found


def test_every_reason_is_documented_with_its_level() -> None:
    calls = [*written(), *OF_NETWORKS.items()]
    assert len(calls) > 15
    known = documented()
    assert [(reason, level) for reason, level in calls if known.get(reason) != level] == []


def test_every_failed_create_has_a_documented_reason() -> None:
    reasons = {
        treatment.reason
        for kind, treatment in TREATMENT.items()
        if kind is not FailureClass.CANCELLED  # which leaves no event
    }
    assert reasons <= set(documented())


def test_nothing_else_is_documented() -> None:
    known = {reason for reason, _ in written()} | {each.reason for each in TREATMENT.values()}
    known |= set(OF_NETWORKS)
    assert set(documented()) - known == set()
