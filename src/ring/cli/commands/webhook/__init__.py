"""`ring webhook`: who is told about events, and what became of each telling."""

from __future__ import annotations

from ring.cli.tree import RingGroup

webhook = RingGroup(
    "webhook",
    help="Webhooks: URLs that are told about events.",
    lazy={
        "list": "ring.cli.commands.webhook.listing:list_webhooks",
        "create": "ring.cli.commands.webhook.writing:create",
        "inspect": "ring.cli.commands.webhook.inspecting:inspect",
        "delete": "ring.cli.commands.webhook.writing:delete",
    },
    default="list",
)
