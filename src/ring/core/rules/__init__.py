"""The rules of a deployment body, one object a line of the table.

Shape comes before: see core.fitting. A rule names the members it reads, so that one bad member
silences only the rules that depend on it.
"""

from __future__ import annotations

from ring.core.rules.base import CAPABILITIES, Case, Damage, Rule
from ring.core.rules.config import CONFIG
from ring.core.rules.health import HEALTH
from ring.core.rules.identity import IDENTITY, MICROVM
from ring.core.rules.network import NETWORK, PORTS
from ring.core.rules.process import PROCESS
from ring.core.rules.scaling import SCALING
from ring.core.rules.security import SECURITY
from ring.core.rules.values import VALUES
from ring.core.rules.volumes import VOLUMES

__all__ = ["CAPABILITIES", "RULES", "Case", "Damage", "Rule"]

RULES: tuple[Rule, ...] = (
    *IDENTITY,
    *VOLUMES,
    *MICROVM,
    *NETWORK,
    *PORTS,
    *VALUES,
    *SCALING,
    *CONFIG,
    *SECURITY,
    *PROCESS,
    *HEALTH,
)
"""In the order in which their violations are answered."""
