"""`ring diff`: what an apply would change."""

from __future__ import annotations

import click

from ring.cli.manifests import manifest_options, read_manifest, require_name
from ring.cli.options import output_option
from ring.cli.session import current
from ring.cli.tree import RingCommand


@click.command("diff", cls=RingCommand)
@manifest_options
@click.option(
    "--exit-code", "tells", is_flag=True, help="Exit with 2 if anything would change, else with 0."
)
@click.option("--force", is_flag=True, help="As of an apply that replaces at once.")
@click.option("--redeploy", is_flag=True, help="As of an apply that redeploys the unchanged.")
@click.option("--prune", "prunes", is_flag=True, help="Also show what --prune would delete.")
@output_option
def diff(
    file: str,
    env_file: str | None,
    *,
    tells: bool,
    force: bool,
    redeploy: bool,
    prunes: bool,
) -> int:
    """Show what an apply would change, field by field.

    The server is asked, and changes nothing.
    """
    from ring.cli.applying import Choices  # the weight is for manifests alone
    from ring.cli.applying.differing import diff_manifest

    session = current()
    manifest = read_manifest(session, file, env_file)
    if prunes:
        require_name(manifest)
    session.require_token()
    choices = Choices(
        force=force,
        redeploy=redeploy or session.environ.get("RING_APPLY_REDEPLOY") == "1",
        prune=prunes,
        tells=tells,
    )
    return diff_manifest(session, manifest, choices)
