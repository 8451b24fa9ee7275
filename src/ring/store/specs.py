"""The JSON column `spec`, and what can be saved of it when it is damaged."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from ring.core.model.spec import DeploymentSpec, PullPolicy
from ring.store.decoding import json_value

if TYPE_CHECKING:
    import sqlite3

_log = logging.getLogger(__name__)

UNREADABLE = "the stored spec cannot be read; apply the manifest again"

_POLICIES = {policy.lower(): policy for policy in get_args(PullPolicy)}
_COLUMNS = ("name", "namespace", "runtime", "image", "kind", "replicas")


def load(row: sqlite3.Row) -> tuple[DeploymentSpec, str | None]:
    """The spec of a deployment's row, and why nothing may be started from it, if so.

    A member that cannot be read gets its empty value. Without any readable JSON the columns
    beside it say enough to show the row and to supervise what already runs.
    """
    try:
        return DeploymentSpec.model_validate_json(row["spec"]), None
    except ValidationError:
        pass
    columns = {column: row[column] for column in _COLUMNS}
    members = _members(row["spec"])
    if members is not None:
        _mend_policy(members, row["id"])
        spec = _without_damage({**columns, **members}, columns, row["id"])
        if spec is not None:
            return spec, None
    # The error itself stays out of the log: it quotes values, which may be credentials.
    _log.warning("deployment %s: %s", row["id"], UNREADABLE)
    return _minimal(columns), UNREADABLE


def _members(text: str | bytes) -> dict[str, Any] | None:
    try:
        value = json_value(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _mend_policy(members: dict[str, Any], deployment_id: str) -> None:
    """Reads the pull policy in any case, and another word as Always: for its sake the rest of
    `config` is not given up. Whoever pulls knows the three policies alone."""
    config = members.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("image_pull_policy"), str):
        return
    policy = _POLICIES.get(config["image_pull_policy"].lower())
    if policy is None:
        _log.warning("deployment %s: its stored image_pull_policy acts as Always", deployment_id)
    members["config"] = {**config, "image_pull_policy": policy or "Always"}


def _without_damage(
    members: dict[str, Any], columns: dict[str, Any], deployment_id: str
) -> DeploymentSpec | None:
    """Drops the members that do not validate, or takes the column of the same name."""
    try:
        return DeploymentSpec.model_validate_json(json.dumps(members))
    except ValidationError as error:
        damaged = {str(detail["loc"][0]) for detail in error.errors(include_input=False)}
    for name in damaged:
        _log.warning(
            "deployment %s: member '%s' of the stored spec cannot be read; its empty value is used",
            deployment_id,
            name,
        )
    kept = {name: value for name, value in members.items() if name not in damaged}
    try:
        return DeploymentSpec.model_validate_json(json.dumps({**columns, **kept}))
    except ValidationError:
        return None


def _minimal(columns: dict[str, Any]) -> DeploymentSpec:
    try:
        return DeploymentSpec.model_validate(columns)
    except ValidationError:
        return DeploymentSpec.model_construct(**columns)
