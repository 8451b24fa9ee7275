"""`ring login` and `ring logout`: one session token for each context."""

from __future__ import annotations

import click

from ring.cli.failures import CommandFailed, Unreachable
from ring.cli.problems import write_failed
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN, is_interactive, read_stdin
from ring.cli.tree import RingCommand


@click.command("login", cls=RingCommand)
@click.option("-u", "--username", metavar="NAME", help="Account name.")
@click.option("-p", "--password", metavar="TEXT", help="Password; prompted for by default.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def login(username: str | None, password: str | None, *, password_stdin: bool) -> None:
    """Log in, and keep the token for this context."""
    session = current()
    if password_stdin and password is not None:
        raise click.UsageError("--password and --password-stdin exclude each other.")
    session.credentials.check()
    context = session.context
    if username is None:
        username = _ask("username", hide=False)
    if password_stdin:
        password = _piped_password()
    elif password is None:
        password = _ask("password", hide=True)
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


def _ask(what: str, *, hide: bool) -> str:
    if not is_interactive():
        raise CommandFailed(f"error: {what} required; pass --{what} or run in a terminal")
    return str(click.prompt(what.capitalize(), hide_input=hide, err=True))


def _piped_password() -> str:
    try:
        return read_stdin().decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise CommandFailed("error: the password on standard input is not UTF-8 text") from error


def _mint(session: Session, username: str, password: str) -> str:
    client = session.client_with(None)
    response = client.post("login", body={"username": username, "password": password})
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
        response = session.client_with(token).post("logout")
    except Unreachable as failure:
        session.fail(failure)
        return
    if not response.ok and response.status != 401:
        session.warn(
            f"the server did not revoke the token (status {response.status}); forgotten here only"
        )
