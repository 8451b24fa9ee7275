"""`ring apply`: the manifest becomes requests."""

from __future__ import annotations

import click

from ring.cli.commands.deployment.waiting import patience_s, wait_options
from ring.cli.failures import AUTH, CommandFailed
from ring.cli.manifests import manifest_options, read_manifest, require_name
from ring.cli.session import current
from ring.cli.terminal import is_interactive
from ring.cli.tree import RingCommand


@click.command("apply", cls=RingCommand)
@manifest_options
@click.option("-d", "--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option(
    "--exit-code",
    "tells",
    is_flag=True,
    help="With --dry-run: exit with 2 if anything would change.",
)
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
@wait_options
def apply(
    file: str,
    env_file: str | None,
    timeout: str,
    *,
    dry_run: bool,
    tells: bool,
    verbose: bool,
    force: bool,
    redeploy: bool,
    prunes: bool,
    yes: bool,
    waits: bool,
) -> int:
    """Apply a manifest.

    Its namespaces come first, then its configs, then its deployments.
    """
    from ring.cli.applying import Choices, apply_manifest  # the weight is for apply alone
    from ring.cli.applying.previewing import preview_manifest

    if tells and not dry_run:
        raise click.UsageError("--exit-code is for --dry-run.")
    wait_s = patience_s(timeout) if waits else None
    session = current()
    manifest = read_manifest(session, file, env_file)
    choices = Choices(
        force=force,
        redeploy=redeploy or session.environ.get("RING_APPLY_REDEPLOY") == "1",
        verbose=verbose,
        prune=prunes,
        asks=not yes and is_interactive(),
        wait_s=wait_s,
        tells=tells,
    )
    if prunes:
        require_name(manifest)
    if dry_run:
        return preview_manifest(session, manifest, choices)
    if session.token is None:
        raise CommandFailed(
            "Error: Auth error: Account not found. Login first or set RING_TOKEN", AUTH
        )
    return apply_manifest(session, manifest, choices)
