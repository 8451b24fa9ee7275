"""`ring config inspect`."""

from __future__ import annotations

import click

from ring.cli.commands.config.listing import entries
from ring.cli.failures import item_failed
from ring.cli.options import output_option
from ring.cli.rows import Row, identity, objects
from ring.cli.session import Session, current
from ring.cli.text import compact, one_line
from ring.cli.tree import RingCommand
from ring.cli.views import one_item, show_facts, show_object


@click.command("inspect", cls=RingCommand)
@click.argument("typed", metavar="ID")
@click.option("-n", "--namespace", metavar="NAME", help="ID is the name of a config of this one.")
@output_option
def inspect(typed: str, namespace: str | None) -> None:
    """Show one config with its content, by id, or with -n by name."""
    session = current()
    found = typed if namespace is None else _by_name(session, typed, namespace)
    show_object(session, one_item(session, "config", typed, "configs", found), _show)


def _by_name(session: Session, name: str, namespace: str) -> str:
    query = [("namespace", namespace), ("name", name)]
    response = one_item(session, "config", name, "configs", query=query)
    for row in objects(session.client.decode(response)):
        if (row.get("namespace"), row.get("name")) == (namespace, name):
            return identity(row)
    raise item_failed("config", name, 404)


def _show(session: Session, row: Row) -> None:
    facts = [(key, row.get(key.lower())) for key in ("Name", "Namespace", "Labels")]
    show_facts(session, facts, width=10)
    session.print("\nData")
    data = row.get("data")
    found = entries(data)
    if found is None:
        session.print(f"\n{_text(data)}")
        return
    for key in sorted(found):
        title = one_line(key)
        session.print(f"\n{title}\n{'-' * len(title)}\n{_text(found[key])}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else compact(value)
