"""`ring user`: the accounts, and one's own."""

from __future__ import annotations

import click

from ring.cli.failures import CommandFailed
from ring.cli.options import output_option
from ring.cli.problems import write_failed
from ring.cli.prompts import not_both, password_of, piped_password, username_of
from ring.cli.rows import Row, identity, objects, one_object
from ring.cli.session import current
from ring.cli.terminal import GREEN
from ring.cli.text import one_line, utc
from ring.cli.tree import RingCommand, RingGroup
from ring.cli.views import Table, delete_item, global_list, show_rows

user = RingGroup(
    "user",
    help="Accounts: who may log in, and as what.",
    lazy={
        "list": "ring.cli.commands.user:list_users",
        "create": "ring.cli.commands.user:create",
        "update": "ring.cli.commands.user:update",
        "delete": "ring.cli.commands.user:delete",
    },
    default="list",
)

_VISIBLE = (
    "Password. Other users of the machine can read it off the process list: "
    "--password-stdin is safer."
)


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.get("id"),
        utc(row.get("created_at")),
        utc(row.get("updated_at")),
        row.get("status"),
        row.get("username"),
        utc(row.get("login_at")),
    )


_HEADERS = ("ID", "Created at (UTC)", "Updated at (UTC)", "Status", "Username", "Login at (UTC)")
_TABLE = Table(headers=_HEADERS, cells=_cells, right_first=True)
_TABLE_WITH_ROLES = Table(
    headers=(*_HEADERS, "Role"),
    cells=lambda row: (*_cells(row), row.get("role")),
    right_first=True,
)


@click.command("list", cls=RingCommand)
@output_option
def list_users() -> None:
    """List the accounts."""
    session = current()
    response = global_list(session, "users")
    if session.json:
        session.print_json(response)
        return
    rows = objects(session.client.decode(response))
    has_roles = any("role" in row for row in rows)
    show_rows(session, rows, _TABLE_WITH_ROLES if has_roles else _TABLE)


@click.command("create", cls=RingCommand)
@click.option("-u", "--username", metavar="NAME", help="Account name; prompted for by default.")
@click.option("-p", "--password", metavar="TEXT", help=_VISIBLE)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--role",
    type=click.Choice(["admin", "operator", "viewer"]),
    help="What the account may do (default: viewer).",
)
def create(
    username: str | None, password: str | None, role: str | None, *, password_stdin: bool
) -> None:
    """Create an account."""
    not_both(password, from_stdin=password_stdin)
    session = current()
    session.require_token()
    username = username_of(username)
    password = password_of(password, from_stdin=password_stdin, twice=True)
    body = {"username": username, "password": password}
    if role is not None:
        body["role"] = role
    response = session.post("users", body=body)
    if not response.ok:
        raise write_failed("Unable to create user", response)
    one_object(session.client.decode(response))
    session.print(f"User '{username}' created", GREEN)


@click.command("update", cls=RingCommand)
@click.option("-u", "--username", metavar="NAME", help="New name of your account.")
@click.option("-p", "--password", metavar="TEXT", help=_VISIBLE)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def update(username: str | None, password: str | None, *, password_stdin: bool) -> None:
    """Change the name or the password of your own account."""
    not_both(password, from_stdin=password_stdin)
    if username is None and password is None and not password_stdin:
        raise CommandFailed("error: nothing to update; pass --username or --password")
    session = current()
    session.require_token()
    if password_stdin:
        password = piped_password()
    response = session.get("users", "me")
    if not response.ok:
        raise write_failed("Unable to update user", response)
    me = one_object(session.client.decode(response))
    given = {"username": username, "password": password}
    body = {key: value for key, value in given.items() if value is not None}
    response = session.put("users", identity(me), body=body)
    if not response.ok:
        raise write_failed("Unable to update user", response)
    name = username if username is not None else one_line(me.get("username"))
    session.print(f"User '{name}' updated", GREEN)


@click.command("delete", cls=RingCommand)
@click.argument("user_id", metavar="ID")
def delete(user_id: str) -> None:
    """Delete an account; its tokens die with it."""
    session = current()
    delete_item(session, "user", user_id, "users", user_id)
    session.print(f"User {user_id} deleted", GREEN)
