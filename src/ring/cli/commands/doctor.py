"""`ring doctor`: what this machine lacks, group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.failures import GENERAL
from ring.cli.session import Session, current
from ring.cli.terminal import RED
from ring.cli.text import one_line
from ring.cli.tree import RingCommand

if TYPE_CHECKING:
    from pathlib import Path

    from ring.settings.sources import Environ


@click.command("doctor", cls=RingCommand)
def doctor() -> int:
    """Check this machine for what Ring needs.

    That is what the server and the enabled runtimes need. Exits 1 if any check failed.
    """
    session = current()
    found = checked(session, session.config_path, session.context_name, session.environ)
    return 0 if found else GENERAL


def checked(session: Session, config: Path | None, context: str | None, environ: Environ) -> bool:
    """Look, and print what was found; whether all is well."""
    from ring import logs
    from ring.doctor import examine

    level = environ.get("RING_LOG") or "warning"
    logs.configure(level, environ.get("RING_LOG_FORMAT", ""), default="warning")
    groups = examine(config, context, environ)
    for group in groups:
        session.print(group.title)
        for check in group.checks:
            session.out.line(one_line(check), None if check.ok else RED)
        session.print("")
    return all(group.ok for group in groups)
