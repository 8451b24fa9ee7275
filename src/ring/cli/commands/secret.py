"""`ring secret`: values go in, and never come out again."""

from __future__ import annotations

import click

from ring.cli.failures import CommandFailed, item_failed
from ring.cli.options import namespaces_option, output_option
from ring.cli.problems import references, trouble, write_failed
from ring.cli.prompts import confirmed, file_value, hidden_value
from ring.cli.rows import Row, one_object
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN, is_interactive
from ring.cli.text import one_line, printable, utc
from ring.cli.tree import RingCommand, RingGroup
from ring.cli.views import Table, namespaced_list

_QUESTION = "These deployments will fail on next restart. Continue? [y/N] "

secret = RingGroup(
    "secret",
    help="Secrets: values that deployments use and nobody reads back.",
    lazy={
        "list": "ring.cli.commands.secret:list_secrets",
        "create": "ring.cli.commands.secret:create",
        "delete": "ring.cli.commands.secret:delete",
    },
    default="list",
)


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.get("id"),
        row.get("name"),
        row.get("namespace"),
        utc(row.get("created_at")),
        utc(row.get("updated_at")),
    )


_TABLE = Table(
    headers=("Id", "Name", "Namespace", "Created at (UTC)", "Updated at (UTC)"), cells=_cells
)


@click.command("list", cls=RingCommand)
@namespaces_option
@output_option
def list_secrets(namespaces: tuple[str, ...]) -> None:
    """List the secrets, without their values."""
    namespaced_list(current(), "secrets", namespaces, _TABLE)


@click.command("create", cls=RingCommand)
@click.argument("name")
@click.option("-n", "--namespace", required=True, metavar="NAME", help="Where it belongs.")
@click.option(
    "-v",
    "--value",
    metavar="TEXT",
    help="The value. Other users of the machine can read it off the process list, and the "
    "shell may keep it: standard input or --from-file is safer.",
)
@click.option("--from-file", metavar="PATH", help="Take the content of a file, as it is.")
def create(name: str, namespace: str, value: str | None, from_file: str | None) -> None:
    """Create a secret.

    Without --value or --from-file the value is prompted for on a terminal, and otherwise read
    from standard input, without its last line end.
    """
    if value is not None and from_file is not None:
        raise click.UsageError("--value and --from-file exclude each other.")
    session = current()
    session.require_token()
    if from_file is not None:
        value = file_value(from_file)
    elif value is None:
        value = hidden_value()
    body = {"namespace": namespace, "name": name, "value": value}
    response = session.post("secrets", body=body)
    if not response.ok:
        raise write_failed(f"Failed to create secret '{name}'", response)
    made = one_line(one_object(session.client.decode(response)).get("id"))
    session.print(f"Secret '{name}' created in namespace '{namespace}' (id: {made})", GREEN)


@click.command("delete", cls=RingCommand)
@click.argument("secret_id", metavar="ID")
@click.option("-f", "--force", is_flag=True, help="Also when deployments use it.")
def delete(secret_id: str, *, force: bool) -> None:
    """Delete a secret; ask first when deployments use it."""
    session = current()
    if not _delete(session, secret_id, force=force):
        if not confirmed(session, _QUESTION):
            raise CommandFailed("Cancelled")
        _delete(session, secret_id, force=True)
    session.print(f"Secret {secret_id} deleted", GREEN)


def _delete(session: Session, secret_id: str, *, force: bool) -> bool:
    """Whether it is deleted, or a person has to be asked. Raises CommandFailed."""
    query = [("force", "true" if force else "false")]
    response = session.delete("secrets", secret_id, query=query)
    if response.ok:
        return True
    refusal = item_failed("secret", secret_id, response.status, trouble(response))
    listed = "".join(f"\n  - {name}" for name in references(response))
    if not listed:
        raise refusal
    if not is_interactive():
        hint = "use --force to delete it anyway"
        raise CommandFailed(f"{refusal.message}{listed}\n  {hint}", refusal.code)
    session.err.line(printable(f"Secret '{secret_id}' is used by:{listed}"))
    return False
