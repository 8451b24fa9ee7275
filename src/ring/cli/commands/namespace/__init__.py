"""`ring namespace`: make, list, audit, prune and delete namespaces."""

from __future__ import annotations

from ring.cli.tree import RingGroup

namespace = RingGroup(
    "namespace",
    help="Namespaces: the first half of every deployment's name.",
    lazy={
        "list": "ring.cli.commands.namespace.listing:list_namespaces",
        "create": "ring.cli.commands.namespace.writing:create",
        "delete": "ring.cli.commands.namespace.writing:delete",
        "audit": "ring.cli.commands.namespace.auditing:audit",
        "prune": "ring.cli.commands.namespace.pruning:prune",
    },
    default="list",
)
