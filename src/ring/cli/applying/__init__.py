"""Sends a manifest: every entry is tried in file order, whatever became of those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.cli.applying.configs import apply_config
from ring.cli.applying.deployments import apply_deployment
from ring.cli.applying.namespaces import apply_namespace
from ring.cli.applying.pruning import prune
from ring.cli.applying.tally import Tally
from ring.cli.failures import INTERRUPTED

if TYPE_CHECKING:
    from ring.cli.session import Session
    from ring.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Choices:
    """The flags of `ring apply` that change what is sent or shown."""

    force: bool = False
    redeploy: bool = False
    verbose: bool = False
    prune: bool = False
    asks: bool = True
    """Before anything is pruned."""
    wait_s: float | None = None
    """How long to wait for what was applied; None: not at all."""
    tells: bool = False
    """Of a dry run: by the exit code, whether anything would change."""

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """What tells the server how to take a deployment."""
        if self.force:
            return (("force", "true"),)
        return () if self.redeploy else (("if_changed", "true"),)


def apply_manifest(session: Session, manifest: Manifest, choices: Choices) -> int:
    """Send everything, show how it went; the exit code of the first error."""
    tally = Tally()
    for namespace in manifest.namespaces:
        apply_namespace(session, namespace, tally)
    for config in manifest.configs:
        apply_config(session, config, tally)
    for entry in manifest.deployments:
        apply_deployment(session, entry, choices.query, tally, verbose=choices.verbose)
    if choices.prune:
        prune(session, manifest, tally, asks=choices.asks)
    tally.summary(session)
    code = tally.end(session)
    if choices.wait_s is None or not tally.taken:
        return code
    from ring.cli import waiting

    subjects = map(waiting.Subject.of, tally.taken)
    waited = waiting.wait(session, subjects, waiting.Goal.READY, choices.wait_s)
    return waited if waited == INTERRUPTED else code or waited
