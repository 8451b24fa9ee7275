"""`ring webhook create` and `ring webhook delete`."""

from __future__ import annotations

import click

from ring.cli.problems import write_failed
from ring.cli.rows import Row, identity, one_object
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.text import joined, one_line
from ring.cli.tree import RingCommand


@click.command("create", cls=RingCommand)
@click.argument("url")
@click.option(
    "-e",
    "--event",
    "events",
    multiple=True,
    metavar="KIND",
    help="Of this kind, e.g. deployment.scaled or 'deployment.*'; may be given again "
    "(default: all).",
)
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NAME",
    help="Of deployments in this namespace; may be given again (default: all that you may see).",
)
@click.option(
    "-s",
    "--secret",
    metavar="TEXT",
    help="Key of the signature. Other users of the machine can read it off the process list: "
    "without the option the server makes one, which is safer.",
)
def create(
    url: str, events: tuple[str, ...], namespaces: tuple[str, ...], secret: str | None
) -> None:
    """Have a URL told about events.

    The id alone goes to standard output.
    """
    session = current()
    body: dict[str, object] = {"url": url, "events": events}
    if namespaces:
        body["namespaces"] = namespaces
    if secret is not None:
        body["secret"] = secret
    response = session.post("webhooks", body=body)
    if not response.ok:
        raise write_failed(f"Failed to create webhook for '{url}'", response)
    made = one_object(session.client.decode(response))
    _show_new(session, made, is_generated=secret is None)


@click.command("delete", cls=RingCommand)
@click.argument("webhook_id", metavar="ID")
def delete(webhook_id: str) -> None:
    """Delete a webhook; what waits for it is not sent any more."""
    session = current()
    response = session.delete("webhooks", webhook_id)
    if not response.ok:
        raise write_failed(f"Failed to delete webhook '{webhook_id}'", response)
    session.print(f"Webhook '{webhook_id}' deleted", GREEN)


def _show_new(session: Session, made: Row, *, is_generated: bool) -> None:
    """The id on stdout, alone; the rest on stderr, a secret only if it was not given."""
    session.print(one_line(identity(made)))
    facts = [("URL", one_line(made.get("url"))), ("Events", joined(made.get("events"), "all"))]
    if is_generated:
        facts.append(("Secret", one_line(made.get("secret"))))
    for key, text in facts:
        session.err.line(f"  {key:<7}: {text}")
    if is_generated:
        session.err.line("This is the only time the secret is shown: keep it somewhere safe.")
