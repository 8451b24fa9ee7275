"""`ring config`: look at configs and remove them; `ring apply` makes them."""

from __future__ import annotations

from ring.cli.tree import RingGroup

config = RingGroup(
    "config",
    help="Configs: files that deployments mount.",
    lazy={
        "list": "ring.cli.commands.config.listing:list_configs",
        "inspect": "ring.cli.commands.config.inspecting:inspect",
        "delete": "ring.cli.commands.config.deleting:delete",
    },
    default="list",
)
