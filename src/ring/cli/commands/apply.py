"""`ring apply`: the manifest becomes requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ring.cli.failures import AUTH, CommandFailed
from ring.cli.session import Session, current
from ring.cli.terminal import is_interactive, read_stdin
from ring.cli.tree import RingCommand

if TYPE_CHECKING:
    from ring.manifest import Manifest

_STDIN = "-"


@click.command("apply", cls=RingCommand)
@click.option(
    "-f", "--file", default="ring.yaml", metavar="PATH", help="Manifest (ring.yaml); - is stdin."
)
@click.option("-e", "--env-file", metavar="PATH", help="KEY=VALUE file for $NAME in the manifest.")
@click.option("-d", "--dry-run", is_flag=True, help="Show what would be done; ask nobody.")
@click.option("--verbose", is_flag=True, help="Show each deployment as it is sent.")
@click.option("--force", is_flag=True, help="Replace at once instead of rolling.")
@click.option("--redeploy", is_flag=True, help="Redeploy even where nothing changed.")
@click.option(
    "--prune",
    "prunes",
    is_flag=True,
    help="Then delete deployments of this manifest that are not in it any more; on a terminal it "
    "asks first.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before pruning.")
def apply(
    file: str,
    env_file: str | None,
    *,
    dry_run: bool,
    verbose: bool,
    force: bool,
    redeploy: bool,
    prunes: bool,
    yes: bool,
) -> int:
    """Apply a manifest.

    Its namespaces come first, then its configs, then its deployments.
    """
    from ring.cli.applying import Choices, apply_manifest  # the weight is for apply alone
    from ring.cli.applying.previewing import preview_manifest

    session = current()
    manifest = _manifest(session, file, env_file)
    choices = Choices(
        force=force,
        redeploy=redeploy or session.environ.get("RING_APPLY_REDEPLOY") == "1",
        verbose=verbose,
        prune=prunes,
        asks=not yes and is_interactive(),
    )
    if prunes and not (manifest.name or "").strip():
        raise CommandFailed(
            "Error: --prune goes by the manifest's own name: give the file a top-level 'name'"
        )
    if dry_run:
        return preview_manifest(session, manifest, choices)
    if session.token is None:
        raise CommandFailed(
            "Error: Auth error: Account not found. Login first or set RING_TOKEN", AUTH
        )
    return apply_manifest(session, manifest, choices)


def _manifest(session: Session, file: str, env_file: str | None) -> Manifest:
    """The manifest with its variables in place. Raises CommandFailed when it cannot be read."""
    from ring.manifest import ManifestError, load_manifest
    from ring.manifest import env_file as variables_file

    variables: dict[str, str] = {}
    if env_file is not None:
        variables, warnings = variables_file.read(Path(env_file))
        for warning in warnings:
            session.warn(warning)
    origin, text = _read(file)
    try:
        manifest = load_manifest(
            text,
            origin=origin,
            lookup=lambda name: session.environ.get(name, variables.get(name)),
            directory=Path() if file == _STDIN else Path(file).parent,
        )
    except ManifestError as error:
        raise CommandFailed(f"Error: {error.message}") from error
    for warning in manifest.warnings:
        session.warn(warning)
    return manifest


def _read(file: str) -> tuple[str, str]:
    """The manifest's name in messages, and its text."""
    from ring.manifest import Unreadable, files

    origin = "standard input" if file == _STDIN else file
    try:
        if file == _STDIN:
            raw = files.bounded(read_stdin(files.LARGEST + 1))
        else:
            raw = files.read(Path(file))
        return origin, files.text(files.without_mark(raw))
    except OSError as error:  # of standard input
        reason = (error.strerror or "unreadable").lower()
        raise CommandFailed(f"Error: Failed to read file: {origin}: {reason}") from error
    except Unreadable as error:
        place = f"{origin}:{error.mark.line}:{error.mark.column}" if error.mark else origin
        raise CommandFailed(f"Error: Failed to read file: {place}: {error.message}") from error
