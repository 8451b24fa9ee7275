"""`ring deployment`: look at deployments, change how they run, and remove them."""

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
        "exec": "ring.cli.commands.deployment.execing:run_command",
        "port-forward": "ring.cli.commands.deployment.forwarding:port_forward",
        "health-checks": "ring.cli.commands.deployment.checks:health_checks",
        "why": "ring.cli.commands.deployment.why:why",
        "history": "ring.cli.commands.deployment.history:history",
        "wait": "ring.cli.commands.deployment.waiting:wait",
        "restart": "ring.cli.commands.deployment.verbs:restart",
        "scale": "ring.cli.commands.deployment.verbs:scale",
        "stop": "ring.cli.commands.deployment.verbs:stop",
        "start": "ring.cli.commands.deployment.verbs:start",
        "rollback": "ring.cli.commands.deployment.verbs:rollback",
        "delete": "ring.cli.commands.deployment.deleting:delete",
    },
    default="list",
)
