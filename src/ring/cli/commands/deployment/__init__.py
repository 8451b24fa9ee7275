"""`ring deployment`: look at deployments and remove them."""

from __future__ import annotations

from ring.cli.tree import RingGroup

deployment = RingGroup(
    "deployment",
    help="Deployments: list, inspect, delete, and what happened to them.",
    lazy={
        "list": "ring.cli.commands.deployment.listing:list_deployments",
        "inspect": "ring.cli.commands.deployment.inspecting:inspect",
        "events": "ring.cli.commands.deployment.events:events",
        "delete": "ring.cli.commands.deployment.deleting:delete",
    },
    default="list",
)
