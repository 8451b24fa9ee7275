"""A list of deployments says what is, also where most of it is known from before."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ring.api.wire import deployment
from ring.api.wire.texts import RowTexts
from ring.core.model.deployment import Deployment
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.observed import Instance, State
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from tests.api.world import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2027, 3, 2, tzinfo=UTC)


def row(number: int = 0) -> Deployment:
    spec = DeploymentSpec.model_validate(manifest(name=f"web{number}", labels={"ü": "é"}))
    return Deployment(DeploymentId(f"id-{number}"), spec, Status.RUNNING, AT)


def instance(address: str | None = None) -> Instance:
    return Instance(
        InstanceId("c0ffee"),
        InstanceName("shop_web_1"),
        DeploymentId("id-0"),
        "s",
        State.RUNNING,
        AT,
        address=address,
    )


def listed(
    texts: RowTexts, *shown: tuple[Deployment, Sequence[Instance]], addresses: bool = False
) -> Any:
    return json.loads(
        asyncio.run(texts.listed(shown, addresses=addresses, rows=len(shown))),
    )


def test_a_list_is_made_of_the_objects_that_single_reads_give() -> None:
    shown = [(row(0), (instance("10.0.0.7"),)), (row(1), ())]
    body = asyncio.run(RowTexts().listed(shown, addresses=True, rows=2))
    assert json.loads(body) == [deployment(*one) for one in shown]
    assert b": " not in body
    assert "é".encode() in body


def test_nothing_is_an_empty_list() -> None:
    assert asyncio.run(RowTexts().listed((), addresses=False, rows=0)) == b"[]"


def test_a_changed_row_is_told_as_it_is_now() -> None:
    texts, before = RowTexts(), row()
    listed(texts, (before, ()))
    (now,) = listed(texts, (replace(before, restart_count=3), ()))
    assert now["restart_count"] == 3


def test_other_instances_of_the_same_row_are_told() -> None:
    texts, one = RowTexts(), row()
    assert listed(texts, (one, ()))[0]["instances"] == []
    assert listed(texts, (one, (instance(),)))[0]["instances"] == [{"id": "c0ffee"}]
    assert listed(texts, (one, ()))[0]["instances"] == []


def test_addresses_are_told_to_whoever_asks_for_them() -> None:
    texts, shown = RowTexts(), (row(), (instance("10.0.0.7"),))
    assert "address" not in listed(texts, shown)[0]["instances"][0]
    assert listed(texts, shown, addresses=True)[0]["instances"][0]["address"] == "10.0.0.7"
    assert "address" not in listed(texts, shown)[0]["instances"][0]


def test_rows_that_are_gone_are_forgotten() -> None:
    texts = RowTexts()
    for number in range(100):
        listed(texts, (row(number), ()))
    assert len(texts._known) <= 3
