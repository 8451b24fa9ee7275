"""`ring token`: credentials of programs, shown once when they are made."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click

from ring.cli.colours import CREDENTIAL_STATUS
from ring.cli.failures import CommandFailed
from ring.cli.options import Words, output_option
from ring.cli.problems import write_failed
from ring.cli.prompts import confirmed
from ring.cli.rows import Row, one_object
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN, is_interactive
from ring.cli.text import joined, one_line, utc
from ring.cli.tree import RingCommand, RingGroup
from ring.cli.views import Table, global_list, show_list
from ring.clock import SystemClock, parse_rfc3339, rfc3339
from ring.core.access import Scope

_DURATION = re.compile("([0-9]+)([dhm])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}

token = RingGroup(
    "token",
    help="Tokens: credentials for programs.",
    lazy={
        "list": "ring.cli.commands.token:list_tokens",
        "create": "ring.cli.commands.token:create",
        "revoke": "ring.cli.commands.token:revoke",
        "rotate": "ring.cli.commands.token:rotate",
    },
    default="list",
)


def _status(row: Row, now: datetime) -> str:
    expiry = row.get("expire_at")
    if row.get("revoked_at"):
        return "revoked"
    if expiry is None:
        return "active"
    try:
        return "active" if parse_rfc3339(str(expiry)) > now else "expired"
    except (ValueError, OverflowError):
        return "expired"


@click.command("list", cls=RingCommand)
@output_option
def list_tokens() -> None:
    """List your tokens, newest first.

    Sessions of `ring login` are not among them.
    """
    now = SystemClock().wall()

    def cells(row: Row) -> tuple[object, ...]:
        return (
            row.get("id"),
            row.get("name"),
            row.get("token_prefix"),
            joined(row.get("scopes"), "-"),
            joined(row.get("namespaces"), "all"),
            _status(row, now),
            utc(row.get("created_at")),
            utc(row.get("last_used_at") or "never"),
            utc(row.get("expire_at") or "never"),
        )

    table = Table(
        headers=(
            *("Id", "Name", "Prefix", "Scopes", "Namespaces", "Status"),
            *("Created (UTC)", "Last used (UTC)", "Expires (UTC)"),
        ),
        cells=cells,
        colours={"Status": CREDENTIAL_STATUS},
    )
    session = current()
    show_list(session, global_list(session, "tokens"), table)


@click.command("create", cls=RingCommand)
@click.argument("name")
@click.option(
    "-s",
    "--scope",
    "scopes",
    type=Words(Scope),
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What it may do: admin, or deployments, secrets, configs, volumes, namespaces, users or "
    "webhooks with :read or :write; may be given again.",
)
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NAME",
    help="Only in this namespace; may be given again (default: in all).",
)
@click.option(
    "-e", "--expires", metavar="TIME", help="Good for so long: 30d, 12h or 45m (default: ever)."
)
def create(
    name: str, scopes: tuple[str, ...], namespaces: tuple[str, ...], expires: str | None
) -> None:
    """Create a token, and show it this once.

    The value alone goes to standard output.
    """
    expiry = None if expires is None else _expiry(expires)
    session = current()
    body: dict[str, object] = {"name": name, "scopes": scopes, "namespaces": namespaces}
    if expiry is not None:
        body["expire_at"] = expiry
    response = session.post("tokens", body=body)
    if not response.ok:
        raise write_failed(f"Failed to create token '{name}'", response)
    _show_new(session, one_object(session.client.decode(response)))


@click.command("revoke", cls=RingCommand)
@click.argument("token_id", metavar="ID")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def revoke(token_id: str, *, yes: bool) -> None:
    """Revoke a token: what uses it is shut out at once."""
    session = current()
    session.require_token()
    if not yes:
        _ask(session, token_id)
    response = session.delete("tokens", token_id)
    if not response.ok:
        raise write_failed(f"Failed to revoke token '{token_id}'", response)
    session.print(f"Token '{token_id}' revoked", GREEN)


@click.command("rotate", cls=RingCommand)
@click.argument("token_id", metavar="ID")
def rotate(token_id: str) -> None:
    """Replace the value of a token; the old one is dead at once."""
    session = current()
    response = session.post("tokens", token_id, "rotate")
    if not response.ok:
        raise write_failed(f"Failed to rotate token '{token_id}'", response)
    _show_new(session, one_object(session.client.decode(response)))


def _expiry(text: str) -> str:
    """The instant after a duration from now. Raises CommandFailed."""
    try:
        amount, unit = _DURATION.fullmatch(text).groups()  # type: ignore[union-attr] # no match is one of the errors
        return rfc3339(SystemClock().wall() + int(amount) * _UNITS[unit])
    except (AttributeError, ValueError, OverflowError) as error:
        raise CommandFailed(f"error: invalid duration '{text}': use 30d, 12h or 45m") from error


def _ask(session: Session, token_id: str) -> None:
    """Raises CommandFailed unless a person agrees."""
    if not is_interactive():
        raise CommandFailed(
            "error: refusing to revoke without confirmation; "
            "pass --yes to proceed non-interactively"
        )
    if not confirmed(session, f"Revoke token '{token_id}'? [y/N] "):
        raise CommandFailed("Aborted.")


def _show_new(session: Session, made: Row) -> None:
    """The value on stdout, alone; what there is to know about it on stderr."""
    value = made.get("token")
    if not isinstance(value, str) or not value:
        raise CommandFailed(f"error: the server at {session.client.base} answered without a token")
    session.print(value)
    expiry = made.get("expire_at")
    facts = [
        ("Scopes", joined(made.get("scopes"), "-")),
        ("Namespaces", joined(made.get("namespaces"), "all")),
        ("Expires", "never" if expiry is None else f"{utc(expiry)} UTC"),
        ("Prefix", one_line(made.get("token_prefix"))),
    ]
    session.err.line("This is the only time the token is shown: keep it somewhere safe.")
    for key, text in facts:
        session.err.line(f"  {key:<11}: {text}")
