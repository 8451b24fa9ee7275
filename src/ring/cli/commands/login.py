"""`ring login` and `ring logout`: one session token for each context."""

from __future__ import annotations

import click

from ring.cli.failures import CommandFailed
from ring.cli.problems import write_failed
from ring.cli.prompts import not_both, password_of, username_of
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.tree import RingCommand


@click.command("login", cls=RingCommand)
@click.option("-u", "--username", metavar="NAME", help="Account name.")
@click.option("-p", "--password", metavar="TEXT", help="Password; prompted for by default.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def login(username: str | None, password: str | None, *, password_stdin: bool) -> None:
    """Log in, and keep the token for this context."""
    session = current()
    not_both(password, from_stdin=password_stdin)
    session.credentials.check()
    context = session.context
    username = username_of(username)
    password = password_of(password, from_stdin=password_stdin)
    token = _mint(session, username, password)
    session.credentials.store(context.name, token)
    session.print(f"Logging in as {username}", GREEN)


@click.command("logout", cls=RingCommand)
def logout() -> None:
    """Revoke this context's stored token and forget it."""
    session = current()
    name = session.context.name
    token = session.credentials.token(name)
    if token is not None:
        _revoke(session, token)
        session.credentials.forget(name)
    if session.environment_token:
        session.warn("RING_TOKEN is set and still applies")
    session.print(f"Logged out of context '{name}'", GREEN)


def _mint(session: Session, username: str, password: str) -> str:
    client = session.client_with(None)
    response = session.noted(
        client.post("login", body={"username": username, "password": password})
    )
    if not response.ok:
        raise write_failed("Login failed", response)
    answer = client.decode(response)
    token = answer.get("token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise CommandFailed(f"error: the server at {client.base} answered without a token")
    return token


def _revoke(session: Session, token: str) -> None:
    """Ask the server to end the session; whatever it says, the local token goes."""
    try:
        response = session.noted(session.client_with(token).post("logout"))
    except CommandFailed as failure:
        session.fail(failure)
        return
    if not response.ok and response.status != 401:
        session.warn(
            f"the server did not revoke the token (status {response.status}); forgotten here only"
        )
