#!/usr/bin/env python3
"""Writes the generated parts of docs/: fields, codes, commands and routes, from the code itself.

    scripts/docs.py            write them
    scripts/docs.py --check    exit 1 if a page is not current

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

# A command-line tool: it prints.
# ruff: noqa: T201

from __future__ import annotations

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ring.api.routing import Guarded
from ring.api.table import ROUTES
from ring.cli.main import ring
from ring.cli.session import Session, open_session
from ring.core import bounds
from ring.core.availability import UNAVAILABLE
from ring.core.model import shapes
from ring.core.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ring.core.model.shapes import Shape

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("manifest.md", "cli.md", "api.md")
PART = re.compile(r"(?s)(<!-- generated: ([a-z]+) -->\n).*?(<!-- end -->)")
NOT_WRITTEN = frozenset({"manifest", "volumes.key"})
"""Filled in by `ring apply`; without a meaning in this version."""
NARROWER = {
    "kind": "A `worker` is kept running.",
    "image": "Image reference.",
    "environment": "Environment variables; every value is a string.",
    "volumes.source": "Absolute host path, or volume name.",
    "volumes.permission": "`rw` when absent.",
    "network.mode": "The namespace's network.",
}
"""Said in place of the model's words while a part of the field is not available."""
NOT_REACHED = (
    "{runtime}",
    "host_network",
    "host_runtime",
    "ports.range",
    "secret_ref",
    "volumes.key",
    "must_be_ro",
    "job",
)
"""Parts of codes that nothing in this version can bring about."""


def fields() -> str:
    """One table for each object of a deployment that can be written."""
    return "\n".join(_object(shapes.DEPLOYMENT, path="")).rstrip() + "\n"


def _object(shape: shapes.Object, path: str) -> Iterator[str]:
    yield f"### {f'`{path}`' if path else 'A deployment'}\n"
    yield "| Field | Type | Default | Meaning |"
    yield "|---|---|---|---|"
    below: list[tuple[shapes.Object, str]] = []
    for name, member in shape.members.items():
        at = f"{path}.{name}" if path else name
        feature = at.replace("[]", "")
        if feature in UNAVAILABLE or feature in NOT_WRITTEN:
            continue
        kind = _kind(member.shape, feature)
        meaning = NARROWER.get(feature, member.description)
        default = "required" if member.required else _default(member)
        yield f"| `{name}` | {kind} | {default} | {_cell(meaning)} |"
        below += _below(member.shape, at)
    yield ""
    for nested, at in below:
        yield from _object(nested, at)


def _below(shape: Shape, path: str) -> Iterator[tuple[shapes.Object, str]]:
    match shape:
        case shapes.Object():
            yield shape, path
        case shapes.ListOf(item):
            yield from _below(item, f"{path}[]")


def _kind(shape: Shape, feature: str) -> str:
    match shape:
        case shapes.Choice(values):
            return ", ".join(f"`{value}`" for value in values if _is_offered(feature, value))
        case shapes.ListOf(item):
            return f"list of {_kind(item, feature)}s"
        case shapes.MapOf(value):
            return f"map of {_kind(value, feature)}s"
        case shapes.Either(scalar):
            return _kind(scalar, feature)
        case _:
            return SIMPLE.get(type(shape), "object")


SIMPLE: dict[type, str] = {
    shapes.Whole: "integer",
    shapes.Flag: "boolean",
    shapes.Text: "string",
    shapes.Anything: "value",
}


def _is_offered(feature: str, value: str) -> bool:
    if feature == "runtime":
        return value in {found.name for found in entry_points(group="ring.runtimes")}
    return f"{feature}={value}" not in UNAVAILABLE


def _default(member: shapes.Member) -> str:
    value = member.default
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def unavailable() -> str:
    """What the manifest knows and this version refuses."""
    return ", ".join(f"`{feature.replace('=', ': ')}`" for feature in sorted(UNAVAILABLE)) + ".\n"


def codes() -> str:
    """The rules whose fields can be set in this version."""
    rows = [
        f"| `{rule.code}` | {_cell(rule.summary)} |"
        for rule in RULES
        if not any(_is_within(read, gone) for read in rule.reads for gone in UNAVAILABLE)
        and not any(part in rule.code for part in NOT_REACHED)
    ]
    rows += [f"| `{code}` | {_cell(summary)} |" for code, summary in bounds.CODES.items()]
    return "\n".join(["| Code | Violated when |", "|---|---|", *rows]) + "\n"


def _is_within(read: str, feature: str) -> bool:
    plain = read.replace("[]", "")
    return plain == feature or plain.startswith(f"{feature}.")


def commands() -> str:
    """The help of every command."""
    with ring.make_context("ring", ["help"], obj=_quiet_session()) as context:
        return "\n".join(_commands(context)).rstrip() + "\n"


def _quiet_session() -> Session:
    return open_session({"NO_COLOR": "1"})


def _commands(context: click.Context) -> Iterator[str]:
    command = context.command
    text = command.get_help(
        click.Context(
            command, info_name=context.info_name, parent=context.parent, terminal_width=90
        )
    )
    yield f"### `{context.command_path}`\n\n```text\n{text.rstrip()}\n```\n"
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None and not found.hidden:
            yield from _commands(click.Context(found, info_name=name, parent=context))


def routes() -> str:
    """Every route with its scope."""
    lines = ["| Route | Scope | Query | Answer | |", "|---|---|---|---|---|"]
    for route in ROUTES:
        query = ", ".join(f"`{key}`" for key in route.doc.query)
        statuses = ", ".join(map(str, route.doc.statuses))
        lines.append(
            f"| `{route.method} {route.path}` | {_scope(route)} | {query} | {statuses} "
            f"| {_cell(route.doc.summary)} |"
        )
    return "\n".join(lines) + "\n"


def _scope(route: object) -> str:
    if not isinstance(route, Guarded):
        return "public"
    return f"`{route.scope.value}`" if route.scope is not None else "any token"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PARTS: dict[str, Callable[[], str]] = {
    "fields": fields,
    "unavailable": unavailable,
    "codes": codes,
    "commands": commands,
    "routes": routes,
}


def rendered(page: str) -> str:
    """The page with its generated parts made anew."""
    return PART.sub(lambda found: found[1] + "\n" + PARTS[found[2]]() + "\n" + found[3], page)


def main(argv: list[str]) -> int:
    stale = []
    for name in PAGES:
        path = ROOT / "docs" / name
        before = path.read_text()
        after = rendered(before)
        if before != after:
            stale.append(name)
            if argv != ["--check"]:
                path.write_text(after)
    print(f"docs: {', '.join(stale) or 'all current'}")
    return 1 if stale and argv == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
