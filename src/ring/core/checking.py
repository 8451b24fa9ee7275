"""Checks a deployment body: every shape error and every broken rule in one answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, get_args

from ring.core import port_ranges
from ring.core.availability import UNAVAILABLE
from ring.core.bounds import (
    MOST_SPEC_BYTES,
    MOST_UNKNOWN,
    MOST_VIOLATIONS,
    TOO_LARGE,
    TOO_MANY_VIOLATIONS,
    most_items,
)
from ring.core.errors import UserError
from ring.core.fitting import Fitting, TooMany
from ring.core.model.capabilities import Capabilities
from ring.core.model.shapes import DEPLOYMENT
from ring.core.model.spec import DeploymentSpec, RuntimeName, canonical, normalised
from ring.core.rules import CAPABILITIES, RULES, Case, Damage, Rule
from ring.core.violations import Path, Violation, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["DEEPEST", "RULES", "Checked", "NotJson", "Rule", "Violation", "check"]

DEEPEST: Final = 100
"""Lists and objects inside each other that a body may have."""
_LONGEST_INTEGER = 40  # digits; more is out of every range, and costs quadratic time to read
_HUGE: Final[int] = 10**_LONGEST_INTEGER
_CAPABILITIES_PATH: Path = tuple(CAPABILITIES.split("."))


class NotJson(UserError):
    """The body is not JSON text."""


@dataclass(frozen=True, slots=True)
class Checked:
    spec: DeploymentSpec | None
    """Normalised; None when there is a violation."""
    violations: tuple[Violation, ...]
    unknown: tuple[str, ...]
    """Paths of members that mean nothing to Ring, and are ignored; one past MOST_UNKNOWN stands for
    all the others."""


def check(
    body: bytes | str,
    capabilities: Mapping[str, Capabilities] | None,
    *,
    unavailable: frozenset[str] = UNAVAILABLE,
) -> Checked:
    """Checks one API body against the enabled runtimes. Raises NotJson.

    `capabilities` None: nothing is known of the server (a dry run), and what depends on it is left
    out. The order of violations is fixed: shapes by field, then rules as in RULES, then by index.
    Ends with the violation past MOST_VIOLATIONS.
    """
    data = parse_json(body)
    fitting = Fitting(
        unavailable,
        most_items=most_items,
        most_violations=MOST_VIOLATIONS,
        most_unknown=MOST_UNKNOWN + 1,
    )
    origin = _spread_ports(data, fitting)
    try:
        fitted = fitting.fit(DEPLOYMENT, data)
    except TooMany:
        found = chain(fitting.violations, (TOO_MANY_VIOLATIONS,))
        return Checked(None, _in_order(found, origin), _named(fitting.unknown, origin))
    if not isinstance(data, dict):
        return Checked(None, tuple(fitting.violations), ())
    spec = normalised(DeploymentSpec.model_validate_json(json.dumps(fitted)))
    case = _case(spec, capabilities, fitting.broken)
    violations = _in_order(chain(fitting.violations, _broken_rules(case, fitting.broken)), origin)
    if not violations and len(canonical(spec).encode()) > MOST_SPEC_BYTES:
        violations = (TOO_LARGE,)
    return Checked(None if violations else spec, violations, _named(fitting.unknown, origin))


def parse_json(body: bytes | str) -> Any:
    """The value of a JSON text; the last of several members of one name counts. Raises NotJson."""
    try:
        text = body.decode() if isinstance(body, bytes) else body
        data = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer)
        _refuse_depth(data)
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise NotJson("the body is not JSON: it is not valid UTF-8 text") from error
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise NotJson(
            f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    return data


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"the body is not JSON: {name} is not a JSON value")


def _integer(digits: str) -> int:
    if len(digits) <= _LONGEST_INTEGER:
        return int(digits)
    return -_HUGE if digits.startswith("-") else _HUGE


def _refuse_depth(data: Any) -> None:
    level = [data]
    for _ in range(DEEPEST):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list)
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return
    if any(isinstance(item, dict | list) for item in level):
        raise _too_deep()


def _too_deep() -> NotJson:
    return NotJson(f"the body is not JSON that Ring reads: more than {DEEPEST} levels deep")


def _spread_ports(data: Any, fitting: Fitting) -> list[int]:
    """Replaces port ranges in the body. For each port, the index of the entry it comes from."""
    if not (isinstance(data, dict) and isinstance(data.get("ports"), list)):
        return []
    spread = port_ranges.spread(data["ports"], most=most_items("ports"))
    data["ports"] = spread.items
    fitting.violations.extend(spread.violations)
    fitting.broken.extend(("ports", index) for index in spread.broken)
    return spread.origin


def _case(
    spec: DeploymentSpec, capabilities: Mapping[str, Capabilities] | None, broken: list[Path]
) -> Case:
    if capabilities is None:
        broken.append(_CAPABILITIES_PATH)
        return Case(spec, Capabilities(), enabled=True)
    known = capabilities.get(spec.runtime)
    if known is None:
        broken.append(_CAPABILITIES_PATH)
    return Case(spec, known or Capabilities(), enabled=known is not None)


def _broken_rules(case: Case, broken: list[Path]) -> Iterator[Violation]:
    damage = Damage(broken)
    for rule in RULES:
        yield from rule.run(case, damage)


def _named(unknown: Iterable[Path], origin: list[int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_origin_path(path_text(path), origin) for path in unknown))


def _at_origin(violation: Violation, origin: list[int]) -> Violation:
    return replace(violation, path=_origin_path(violation.path, origin))


def _origin_path(path: str, origin: list[int]) -> str:
    match = _PORT_INDEX.match(path)
    if match is None or int(match[1]) >= len(origin):
        return path
    return f"ports[{origin[int(match[1])]}]{path[match.end() :]}"


def _in_order(violations: Iterable[Violation], origin: list[int]) -> tuple[Violation, ...]:
    """Shape errors as they came, then the table's order; each once, and no more than are of use."""
    distinct: dict[Violation, None] = {}
    for violation in violations:
        distinct[_at_origin(violation, origin)] = None
        if len(distinct) > MOST_VIOLATIONS:
            break
    ordered = sorted(distinct, key=lambda violation: _RANK.get(violation.code, -1))
    if len(ordered) > MOST_VIOLATIONS:
        ordered[MOST_VIOLATIONS - 1 :] = [TOO_MANY_VIOLATIONS]
    return tuple(ordered)


_PORT_INDEX = re.compile(r"ports\[([0-9]+)\]")
_RANK = {
    code: rank
    for rank, rule in reversed(tuple(enumerate(RULES)))
    for code in rule.codes(get_args(RuntimeName))
} | {TOO_MANY_VIOLATIONS.code: len(RULES)}
