"""What a command asks of whoever runs it, and what it reads from standard input or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ring.cli.failures import CommandFailed
from ring.cli.terminal import is_interactive, read_line, read_stdin
from ring.cli.text import printable

if TYPE_CHECKING:
    from ring.cli.session import Session

_LARGEST_VALUE = 1 << 20  # bytes, of a secret's value


def username_of(given: str | None) -> str:
    """The name, asked for if need be. Raises CommandFailed when nobody can be asked."""
    return given if given is not None else _ask("username", hide=False, twice=False)


def password_of(given: str | None, *, from_stdin: bool, twice: bool = False) -> str:
    """The password: given, on standard input, else asked for. Raises CommandFailed."""
    if from_stdin:
        return piped_password()
    return given if given is not None else _ask("password", hide=True, twice=twice)


def not_both(password: str | None, *, from_stdin: bool) -> None:
    """Raises UsageError for a password from two places."""
    if from_stdin and password is not None:
        raise click.UsageError("--password and --password-stdin exclude each other.")


def piped_password() -> str:
    """Standard input, without its line end. Raises CommandFailed when it is no text."""
    text = _text(read_stdin(), "the password on standard input")
    return text.removesuffix("\n").removesuffix("\r")


def hidden_value() -> str:
    """A secret value: asked for on a terminal, else all of standard input but one line end."""
    if is_interactive():
        return str(click.prompt("Value", hide_input=True, err=True))
    content = read_stdin(_LARGEST_VALUE + 2)
    return _bounded(content.removesuffix(b"\n"), "the value on standard input")


def file_value(path: str) -> str:
    """A secret value: a file, as it is. Raises CommandFailed."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_VALUE + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "not a path").lower()
        raise CommandFailed(f"error: cannot read '{path}': {reason}") from error
    return _bounded(content, f"the content of '{path}'")


def confirmed(session: Session, question: str) -> bool:
    """Whether a person says yes; the question goes to stderr, and ends with its own space."""
    session.err.write(printable(question))
    answer = read_line()
    if not answer.endswith("\n"):
        session.err.line("")
    return answer.strip().lower() in {"y", "yes"}


def _ask(what: str, *, hide: bool, twice: bool) -> str:
    if not is_interactive():
        raise CommandFailed(f"error: {what} required; pass --{what} or run in a terminal")
    title = what.capitalize()
    again = f"Repeat {what}" if twice else False
    return str(click.prompt(title, hide_input=hide, err=True, confirmation_prompt=again))


def _bounded(content: bytes, what: str) -> str:
    if len(content) > _LARGEST_VALUE:
        raise CommandFailed(f"error: {what} is larger than a secret may be (1 MiB)")
    return _text(content, what)


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise CommandFailed(f"error: {what} is not UTF-8 text") from error
