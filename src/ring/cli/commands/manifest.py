"""`ring schema` and `ring explain`: what a manifest may hold. Neither asks a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.failures import CommandFailed
from ring.cli.session import Session, current
from ring.cli.text import one_line
from ring.cli.tree import RingCommand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.manifest.fields import Field


@click.command("schema", cls=RingCommand)
def schema() -> None:
    """Print the JSON Schema of a manifest, for editors."""
    import json

    from ring.manifest.schema import document  # its weight is for this command alone

    current().out.line(json.dumps(document(), ensure_ascii=False, indent=2))


@click.command("explain", cls=RingCommand)
@click.argument("field", required=False, metavar="[FIELD]")
def explain(field: str | None) -> None:
    """Explain a field of a manifest.

    By its path, such as ports.published; without one, list the fields at the top.
    """
    from ring.manifest import fields  # its weight is for this command alone

    session = current()
    if field is None:
        session.print("Fields of a manifest:")
        _show_fields(session, fields.top())
        session.print("\nMore of one: ring explain FIELD, such as ring explain ports.published")
        return
    found = fields.find(field)
    if found is None:
        raise _unknown(field, fields.similar(field))
    _show(session, found)


def _unknown(typed: str, similar: list[str]) -> CommandFailed:
    lines = [f"error: no field '{one_line(typed)}' in a manifest"]
    if similar:
        lines.append("Perhaps one of these:")
        lines += [f"  {name}" for name in similar]
    else:
        lines.append("`ring explain` lists the fields at the top")
    return CommandFailed("\n".join(lines))


def _show(session: Session, field: Field) -> None:
    session.print(f"{field.name}\n\n  {field.member.description}\n")
    for title, value in _facts(field):
        session.print(f"  {title + ':':<11}{value}")
    if rules := dict(field.rules):
        session.print("\nRefused when:")
        for code, when in rules.items():
            session.print(f"  {code}\n      {' '.join(when.split())}")
    if below := tuple(field.below()):
        session.print("\nFields:")
        _show_fields(session, below)


def _facts(field: Field) -> Iterable[tuple[str, str]]:
    from ring.manifest import fields

    yield "Type", fields.kind(field.member.shape)
    yield "Required", "yes" if field.member.required else "no"
    if field.member.default is not None:
        yield "Default", _written(field.member.default)
    if field.cases:
        yield "Only for", f"type {', '.join(field.cases)}"
    if field.is_replaced:
        yield "Variables", "$NAME is replaced"
    yield "Available", _availability(field)


def _availability(field: Field) -> str:
    if not field.is_available:
        return "not in this version of Ring"
    if field.missing:
        return f"yes; not in this version of Ring: {', '.join(field.missing)}"
    return "yes"


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _show_fields(session: Session, below: tuple[Field, ...]) -> None:
    width = max(len(field.path[-1]) for field in below)
    for field in below:
        notes = [f"only for {', '.join(field.cases)}"] if field.cases else []
        notes += ["required"] if field.member.required else []
        note = f" ({'; '.join(notes)})" if notes else ""
        session.print(f"  {field.path[-1]:<{width}}  {field.member.description}{note}")
