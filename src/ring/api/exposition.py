"""Metrics as text and as JSON: names, help and order of every series, in one place.

Written here and not by prometheus_client: ten thousand series of a thousand deployments would cost
its exporter tens of milliseconds of the loop in one piece, and it writes whole numbers as `3.0`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ring.core.model.health import OUTCOMES
from ring.core.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ring.core.model.usage import Taken

EVENT_STATUSES = ("pending", "delivered", "dead")
UNHEALTHY = (
    Status.PENDING,
    Status.FAILED,
    Status.CRASH_LOOP_BACK_OFF,
    Status.IMAGE_PULL_BACK_OFF,
    Status.CREATE_CONTAINER_ERROR,
    Status.NETWORK_ERROR,
    Status.CONFIG_ERROR,
    Status.FILE_SYSTEM_ERROR,
    Status.INSUFFICIENT_RESOURCES,
    Status.ERROR,
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
_ESCAPED = re.compile(r'[\\"\n]')
Number = int | float


@dataclass(frozen=True, slots=True)
class Counted:
    """Everything but what deployments take. What could not be counted is missing: told as 0."""

    by_status: Mapping[Status, int] = field(default_factory=dict)
    """Rows, deleted ones with them."""
    by_runtime: Mapping[str, int] = field(default_factory=dict)
    unhealthy: Mapping[tuple[str, Status], int] = field(default_factory=dict)
    """By namespace and status."""
    nouns: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    health_checks: Mapping[str, int] = field(default_factory=dict)
    refreshed_s: int = 0
    """Unix time of the last look at what deployments take; 0: never."""

    @property
    def deployments(self) -> int:
        return sum(count for status, count in self.by_status.items() if status != Status.DELETED)


@dataclass(frozen=True, slots=True)
class Figure:
    """One series of every deployment that is measured."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    of: Callable[[Taken], Number]


NOUNS = {
    "namespaces": "Namespaces.",
    "secrets": "Secrets.",
    "volumes": "Volumes.",
    "users": "Users.",
    "webhooks": "Webhooks, revoked ones included.",
    "configs": "Configs.",
}
_IN = "ring_deployment_"
FIGURES = (
    Figure(_IN + "instances", "gauge", "Instances measured.", lambda one: one.instances),
    Figure(
        _IN + "cpu_usage_percent",
        "gauge",
        "Processor time of all instances; 100 is one core.",
        lambda one: one.usage.cpu_percent,
    ),
    Figure(
        _IN + "memory_usage_bytes",
        "gauge",
        "Memory that all instances use.",
        lambda one: one.usage.memory_bytes,
    ),
    Figure(
        _IN + "memory_limit_bytes",
        "gauge",
        "Memory that all instances may use.",
        lambda one: one.usage.memory_limit_bytes,
    ),
    Figure(_IN + "pids", "gauge", "Tasks of all instances.", lambda one: one.usage.pids),
    Figure(
        _IN + "network_rx_bytes_total",
        "counter",
        "Received by all instances since they were started.",
        lambda one: one.usage.rx_bytes,
    ),
    Figure(
        _IN + "network_tx_bytes_total",
        "counter",
        "Sent by all instances since they were started.",
        lambda one: one.usage.tx_bytes,
    ),
    Figure(
        _IN + "disk_read_bytes_total",
        "counter",
        "Read from disks by all instances since they were started.",
        lambda one: one.usage.read_bytes,
    ),
    Figure(
        _IN + "disk_write_bytes_total",
        "counter",
        "Written to disks by all instances since they were started.",
        lambda one: one.usage.written_bytes,
    ),
    Figure(
        _IN + "restarts_total",
        "counter",
        "Restarts of all instances that the engine made by itself.",
        lambda one: one.usage.restarts,
    ),
)


def text(counted: Counted) -> str:
    """Prometheus's text format 0.0.4, but for what deployments take."""
    families = [
        _family(
            "ring_deployments", "Deployments that are not deleted.", [((), counted.deployments)]
        ),
        _family(
            "ring_deployments_by_status",
            "Deployments by status, deleted ones included.",
            [((("status", one),), counted.by_status.get(one, 0)) for one in Status],
        ),
        _family(
            "ring_deployments_by_runtime",
            "Deployments by runtime, deleted ones included.",
            [((("runtime", one),), count) for one, count in sorted(counted.by_runtime.items())],
        ),
        _family(
            "ring_unhealthy_deployments",
            "Deployments that do not run as they should, by namespace and status.",
            [
                ((("namespace", namespace), ("status", status)), count)
                for (namespace, status), count in sorted(counted.unhealthy.items())
            ],
        ),
        *(
            _family(f"ring_{noun}", help_text, [((), counted.nouns.get(noun, 0))])
            for noun, help_text in NOUNS.items()
        ),
        _family(
            "ring_events_by_status",
            "Events for webhooks by status.",
            [((("status", one),), counted.events.get(one, 0)) for one in EVENT_STATUSES],
        ),
        _family(
            "ring_health_checks_by_status",
            "Stored results of health checks by status.",
            [((("status", one),), counted.health_checks.get(one, 0)) for one in OUTCOMES],
        ),
        _family(
            "ring_runtime_last_refresh_seconds",
            "Unix time of the last look at what deployments take; 0 is never.",
            [((), counted.refreshed_s)],
        ),
    ]
    return "".join(families)


def figure_text(figure: Figure, series: Sequence[Taken], labels: Sequence[str]) -> str:
    """One family of what deployments take; `labels` are those of `series`, in their order."""
    lines = [
        f"{figure.name}{{{label}}} {_value(figure.of(one))}\n"
        for one, label in zip(series, labels, strict=True)
    ]
    return _head(figure.name, figure.kind, figure.help) + "".join(lines)


def label_text(one: Taken) -> str:
    """What stands between the braces."""
    return _labels(
        (("deployment", one.name), ("namespace", one.namespace), ("runtime", one.runtime))
    )


def shape(counted: Counted) -> dict[str, object]:
    """The JSON object, but for `deployment_runtime`."""
    return {
        "deployments": counted.deployments,
        "deployments_by_status": {one: counted.by_status.get(one, 0) for one in Status},
        "deployments_by_runtime": dict(sorted(counted.by_runtime.items())),
        "unhealthy_deployments_by_namespace": [
            {"namespace": namespace, "status": status, "count": count}
            for (namespace, status), count in sorted(counted.unhealthy.items())
        ],
        **{noun: counted.nouns.get(noun, 0) for noun in NOUNS},
        "events_by_status": {one: counted.events.get(one, 0) for one in EVENT_STATUSES},
        "health_checks_by_status": {one: counted.health_checks.get(one, 0) for one in OUTCOMES},
        "runtime_last_refresh_seconds": counted.refreshed_s,
    }


def taken_shape(one: Taken) -> dict[str, object]:
    """One entry of `deployment_runtime`."""
    usage = one.usage
    return {
        "name": one.name,
        "namespace": one.namespace,
        "runtime": one.runtime,
        "instances": one.instances,
        "cpu_usage_percent": round(usage.cpu_percent, 2),
        "memory_usage_bytes": usage.memory_bytes,
        "memory_limit_bytes": usage.memory_limit_bytes,
        "network_rx_bytes": usage.rx_bytes,
        "network_tx_bytes": usage.tx_bytes,
        "disk_read_bytes": usage.read_bytes,
        "disk_write_bytes": usage.written_bytes,
        "pids": usage.pids,
        "restarts": usage.restarts,
    }


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _family(
    name: str, help_text: str, samples: Iterable[tuple[Sequence[tuple[str, str]], Number]]
) -> str:
    lines = [
        f"{name}{{{_labels(labels)}}} {_value(value)}\n" if labels else f"{name} {_value(value)}\n"
        for labels, value in samples
    ]
    return _head(name, "gauge", help_text) + "".join(lines)


def _head(name: str, kind: str, help_text: str) -> str:
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], value)


def _value(number: Number) -> str:
    """Whole numbers as they are, shares with two decimals."""
    return str(number) if isinstance(number, int) else f"{number:.2f}"
