"""Rules about environment, labels and resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.quantities import QuantityError, parse_cpu, parse_memory
from ring.core.model.spec import SecretRef
from ring.core.rules.base import Rule, rule
from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ring.core.rules.base import Case, Finding

ENVIRONMENT_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@rule("deployment.environment.key.invalid", "environment")
def key_invalid(case: Case) -> Iterator[Finding]:
    """key not `^[A-Za-z_][A-Za-z0-9_]*$`"""
    for key in case.spec.environment:
        if not ENVIRONMENT_KEY.fullmatch(key):
            text = f"{quoted(key)} is not a variable name: letters, digits and '_', no digit first"
            yield ("environment", key), text


@rule("deployment.environment.secret_ref.empty", "environment[]")
def secret_ref_empty(case: Case) -> Iterator[Finding]:
    """blank `secretRef`"""
    for key, value in case.entries("environment", case.spec.environment):
        if isinstance(value, SecretRef) and not value.secretRef.strip():
            yield ("environment", key), "secretRef cannot be empty"


@rule("deployment.environment.value.invalid", "environment[]")
def value_invalid(case: Case) -> Iterator[Finding]:
    """value contains NUL"""
    for key, value in case.entries("environment", case.spec.environment):
        text = value.secretRef if isinstance(value, SecretRef) else value
        if "\0" in text:
            yield ("environment", key), "the value contains a NUL character"


@rule("deployment.labels.key.invalid", "labels")
def label_key_invalid(case: Case) -> Iterator[Finding]:
    """empty key"""
    if "" in case.spec.labels:
        yield ("labels", ""), "a label key cannot be empty"


@rule("deployment.labels.reserved", "labels")
def label_reserved(case: Case) -> Iterator[Finding]:
    """key `ring_deployment` present"""
    if labels.DEPLOYMENT in case.spec.labels:
        yield ("labels", labels.DEPLOYMENT), f"{quoted(labels.DEPLOYMENT)} is reserved for Ring"


def _quantity(block: str, unit: str, parse: Callable[[str], int]) -> Rule:
    path = ("resources", block, unit)

    def check(case: Case) -> Iterator[Finding]:
        """not a quantity"""
        group = getattr(case.spec.resources, block, None)
        text = getattr(group, unit, None)
        if text is None:
            return
        try:
            parse(text)
        except QuantityError as error:
            yield path, error.message

    return rule(f"deployment.{'.'.join(path)}.invalid", ".".join(path))(check)


VALUES = (
    key_invalid,
    secret_ref_empty,
    value_invalid,
    label_key_invalid,
    label_reserved,
    _quantity("limits", "cpu", parse_cpu),
    _quantity("limits", "memory", parse_memory),
    _quantity("requests", "cpu", parse_cpu),
    _quantity("requests", "memory", parse_memory),
)
