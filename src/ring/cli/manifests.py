"""A manifest as commands take it: a file or standard input, and its variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ring.cli.failures import CommandFailed
from ring.cli.terminal import read_stdin

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.cli.session import Session
    from ring.manifest import Manifest

_Command = TypeVar("_Command", bound="Callable[..., object]")

_STDIN = "-"


def manifest_options(command: _Command) -> _Command:
    """`-f PATH` and `-e PATH`."""
    file = click.option(
        "-f",
        "--file",
        default="ring.yaml",
        metavar="PATH",
        help="Manifest (ring.yaml); - is stdin.",
    )
    variables = click.option(
        "-e", "--env-file", metavar="PATH", help="KEY=VALUE file for $NAME in the manifest."
    )
    return file(variables(command))


def read_manifest(session: Session, file: str, env_file: str | None) -> Manifest:
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


def require_name(manifest: Manifest) -> None:
    """Raises CommandFailed for a manifest that nothing can be pruned by."""
    if not (manifest.name or "").strip():
        raise CommandFailed(
            "Error: --prune goes by the manifest's own name: give the file a top-level 'name'"
        )


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
