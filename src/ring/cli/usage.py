"""What all running instances take, asked for deployment by deployment over one connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.cli.amounts import number
from ring.cli.failures import item_failed, scoped_list_failed
from ring.cli.problems import trouble
from ring.cli.rows import Row, identity, mapping, members, objects, one_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.cli.polling import PollingClient


@dataclass(frozen=True, slots=True)
class Sample:
    """One instance, or the instances of one deployment in sum."""

    namespace: str
    deployment: str
    deployment_id: str
    instance: str
    """Its name; of a sum, how many it is of."""
    figures: Mapping[str, object]
    """`cpu_usage_percent`, `memory`, `network`, `disk_io` and `pids`, as the API has them."""

    @property
    def cpu(self) -> float:
        return number(self.figures.get("cpu_usage_percent")) or 0.0

    @property
    def memory_bytes(self) -> float:
        return number(mapping(self.figures.get("memory")).get("usage_bytes")) or 0.0

    def json(self) -> dict[str, object]:
        return {
            "namespace": self.namespace,
            "deployment": self.deployment,
            "deployment_id": self.deployment_id,
            "instance": self.instance,
            **self.figures,
        }


def take(
    client: PollingClient, namespaces: tuple[str, ...], *, is_summed: bool = False
) -> list[Sample]:
    """Those of these namespaces, or all; most CPU first. Raises CommandFailed."""
    query = [("namespace[]", name) for name in namespaces]
    response = client.get("deployments", query=query)
    if not response.ok:
        raise scoped_list_failed("deployments", namespaces, response.status, trouble(response))
    found: list[Sample] = []
    for row in objects(client.decode(response)):
        if row.get("instances"):
            found += _of(client, row, is_summed=is_summed)
    return sorted(found, key=_rank)


def _rank(sample: Sample) -> tuple[float, str, str, str]:
    return -sample.cpu, sample.namespace, sample.deployment, sample.instance


def _of(client: PollingClient, row: Row, *, is_summed: bool) -> list[Sample]:
    response = client.get("deployments", identity(row), "metrics")
    if response.status == 404:  # it has gone meanwhile
        return []
    if not response.ok:
        name = f"{row.get('namespace')}/{row.get('name')}"
        raise item_failed("deployment", name, response.status, trouble(response))
    usage = one_object(client.decode(response))
    instances = members(usage.get("instances"))
    if not is_summed:
        return [_sample(row, str(one.get("instance_name")), one) for one in instances]
    if not instances:
        return []
    sums = {
        "cpu_usage_percent": usage.get("total_cpu_usage_percent"),
        "memory": usage.get("total_memory"),
        "network": usage.get("total_network"),
        "disk_io": usage.get("total_disk_io"),
        "pids": {"current": usage.get("total_pids"), "limit": 0},
    }
    return [_sample(row, str(len(instances)), sums)]


def _sample(row: Row, instance: str, figures: Row) -> Sample:
    kept = ("cpu_usage_percent", "memory", "network", "disk_io", "pids")
    return Sample(
        str(row.get("namespace")),
        str(row.get("name")),
        identity(row),
        instance,
        {key: figures.get(key) for key in kept},
    )
