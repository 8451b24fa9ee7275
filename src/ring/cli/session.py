"""What one run of the command line knows: its options, its streams, its server."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ring.cli.failures import AUTH, CommandFailed
from ring.cli.terminal import RED, YELLOW, Terminal
from ring.cli.text import json_line, one_line, printable
from ring.settings import Context, config_dir, load_context
from ring.settings.sources import LOG_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.cli.client import Client, Response
    from ring.cli.credentials import Credentials
    from ring.settings.sources import Environ


@dataclass(slots=True)
class Session:
    """Made before the arguments are read; options fill in the rest."""

    environ: Environ
    out: Terminal
    err: Terminal
    pause: Callable[[float], None] = time.sleep
    """Waits the seconds between two polls of a follow mode."""
    now: Callable[[], float] = time.monotonic
    """Seconds on the clock that a wait is measured by."""
    config: str | None = None
    context_name: str | None = None
    json: bool = False
    _context: Context | None = field(default=None, init=False)
    _client: Client | None = field(default=None, init=False)
    _noted: set[str] = field(default_factory=set, init=False)

    @property
    def config_path(self) -> Path | None:
        return None if self.config is None else Path(self.config)

    @property
    def context(self) -> Context:
        """The picked context, read once. Raises UserError or HostError."""
        if self._context is None:
            self._context = load_context(self.config_path, self.context_name, self.environ)
            for warning in self._context.warnings:
                self.warn(warning)
            level = self.environ.get("RING_LOG", "").strip()
            if level and level.lower() not in LOG_LEVELS:
                self.warn(f"RING_LOG '{level}' is not debug, info, warning or error; using warning")
        return self._context

    @property
    def credentials(self) -> Credentials:
        from ring.cli.credentials import Credentials

        return Credentials(config_dir(self.environ))

    @property
    def environment_token(self) -> str | None:
        """RING_TOKEN; empty counts as unset."""
        return self.environ.get("RING_TOKEN") or None

    @property
    def token(self) -> str | None:
        """The token of the picked context: RING_TOKEN, else the stored one."""
        return self.environment_token or self.credentials.token(self.context.name)

    @property
    def client(self) -> Client:
        """The API with this context's token. Raises CommandFailed when there is none."""
        if self._client is None:
            self._client = self.client_with(self.require_token())
        return self._client

    def require_token(self) -> str:
        """The token. Raises CommandFailed when there is none: before anybody is asked anything."""
        token = self.token
        if token is None:
            raise CommandFailed(
                f"error: no credentials for context '{self.context.name}' — "
                "run `ring login` or set RING_TOKEN",
                AUTH,
            )
        return token

    def client_with(self, token: str | None) -> Client:
        """The API with another token, or none."""
        from ring.cli.client import Client

        return Client(self.context, token, self.environ)

    def get(self, *segments: str, query: Iterable[tuple[str, str]] = ()) -> Response:
        """GET, with the response's warnings shown."""
        return self.noted(self.client.get(*segments, query=query))

    def post(
        self, *segments: str, body: object = None, query: Iterable[tuple[str, str]] = ()
    ) -> Response:
        """POST, with the response's warnings shown."""
        return self.noted(self.client.post(*segments, body=body, query=query))

    def put(self, *segments: str, body: object) -> Response:
        """PUT, with the response's warnings shown."""
        return self._answered(self.client.put(*segments, body=body))

    def delete(self, *segments: str, query: Iterable[tuple[str, str]] = ()) -> Response:
        """DELETE, with the response's warnings shown."""
        return self._answered(self.client.delete(*segments, query=query))

    def _answered(self, response: Response) -> Response:
        """A response that may be empty. Raises CommandFailed for a page of something else."""
        if response.ok and response.body:
            self.client.decode(response)
        return self.noted(response)

    def noted(self, response: Response) -> Response:
        """The same response, its warnings shown; each is said once in a run."""
        for warning in response.warnings:
            if warning not in self._noted:
                self.warn(warning)
            self._noted.add(warning)
        return response

    def print(self, text: str, colour: str | None = None) -> None:
        """A result; control characters are spelled out."""
        self.out.line(printable(text), colour)

    def print_json(self, response: Response) -> None:
        """A response's body on one line, as it was received."""
        try:
            self.out.line(json_line(response.body.decode("utf-8", "replace")))
        except ValueError as error:
            raise self.client.not_json() from error

    def warn(self, text: str) -> None:
        """A warning, on one line; none is shown beside JSON output."""
        if not self.json:
            self.err.line(f"Warning: {one_line(text)}", YELLOW)

    def fail(self, failure: CommandFailed) -> int:
        """Show a failure and go on; its exit code."""
        self.err.line(printable(failure.message), RED)
        return failure.code


def open_session(environ: Environ) -> Session:
    """A session on this process's standard streams."""
    return Session(environ, Terminal(sys.stdout, environ), Terminal(sys.stderr, environ))


def current() -> Session:
    """The session of the command being run."""
    return cast(Session, click.get_current_context().find_object(Session))
