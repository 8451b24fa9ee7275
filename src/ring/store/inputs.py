"""Which versions of which secrets and configs a deployment row was made with."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from ring.core.references import Inputs, Reference, Stamp, inputs, references
from ring.store import specs
from ring.store.decoding import json_value
from ring.store.mirror import InputChanged

if TYPE_CHECKING:
    from ring.core.model.ids import DeploymentId
    from ring.core.model.spec import DeploymentSpec
    from ring.store.database import Transaction

_log = logging.getLogger(__name__)


def now(tx: Transaction, spec: DeploymentSpec) -> Inputs:
    """All that the spec refers to, as it is in this transaction."""
    return {each: _stamp(tx, spec.namespace, each) for each in sorted(inputs(spec))}


def record(tx: Transaction, deployment_id: DeploymentId, given: Inputs) -> None:
    if given:
        text = json.dumps([[*reference, stamp] for reference, stamp in given.items()])
        tx.run("deployments", "set_inputs", {"id": deployment_id, "inputs": text})


def recorded(tx: Transaction, deployment_id: DeploymentId) -> Inputs:
    row = tx.one("deployments", "inputs", {"id": deployment_id})
    return {} if row is None else _decode(deployment_id, row["inputs"])


def appeared(tx: Transaction, namespace: str, reference: Reference, stamp: Stamp) -> None:
    """There was none of that name: the rows that were made meanwhile have waited for this one."""
    for row in tx.all("deployments", "with_inputs", {"namespace": namespace}):
        given = _decode(row["id"], row["inputs"])
        if reference in given and given[reference] is None:
            record(tx, row["id"], {**given, reference: stamp})
    changed(tx, namespace, reference)


def changed(tx: Transaction, namespace: str, reference: Reference) -> None:
    """Once this is committed, the deployments that refer to it are looked at again."""
    tx.changes.append(InputChanged(namespace, reference))


def holders(tx: Transaction, namespace: str, reference: Reference) -> tuple[str, ...]:
    """`<namespace>/<name>` of the deployments that may still make an instance with it."""
    rows = tx.all("deployments", "in_use", {"namespace": namespace, "text": reference.name})
    found = (row["name"] for row in rows if reference in references(specs.load(row)[0]))
    return tuple(f"{namespace}/{name}" for name in dict.fromkeys(found))


def _stamp(tx: Transaction, namespace: str, reference: Reference) -> Stamp | None:
    values = {"namespace": namespace, "name": reference.name}
    if reference.kind == "secret":
        row = tx.one("secrets", "stamp", values)
    else:
        row = tx.one("configs", "stamp", values)
    return None if row is None else Stamp(row["id"], row["version"])


def _decode(deployment_id: str, text: str | None) -> Inputs:
    """Damage is as if nothing had been recorded."""
    if text is None:
        return {}
    try:
        return {
            Reference(kind, name): None if stamp is None else Stamp(*stamp)
            for kind, name, stamp in json_value(text)
        }
    except (TypeError, ValueError):
        _log.warning("deployment %s: its stored inputs cannot be read", deployment_id)
        return {}
