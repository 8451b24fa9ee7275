"""`ring deployment`: look at deployments and remove them."""

from __future__ import annotations

from ring.cli.tree import RingGroup

deployment = RingGroup(
    "deployment",
    help="Deployments: what runs, how it does, and what became of it.",
    lazy={
        "list": "ring.cli.commands.deployment.listing:list_deployments",
        "inspect": "ring.cli.commands.deployment.inspecting:inspect",
        "events": "ring.cli.commands.deployment.events:events",
        "logs": "ring.cli.commands.deployment.logs:logs",
        "metrics": "ring.cli.commands.deployment.metrics:metrics",
        "health-checks": "ring.cli.commands.deployment.checks:health_checks",
        "delete": "ring.cli.commands.deployment.deleting:delete",
    },
    default="list",
)
