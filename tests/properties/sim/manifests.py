"""What the users of the simulation want: deployments of every kind that the engine treats apart."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from ring.core.model.spec import DeploymentSpec

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

NAMES = ("web", "api", "db", "job")
IMAGES = {
    image: f"sha256:{number:064x}"
    for number, image in enumerate(
        (
            *("web:1", "web:2", "web:3", "sick:1", "fading:1"),
            *("crash:1", "late:1", "once:1", "three:1", "absent:1"),
        )
    )
}
MISSING = "missing:1"
WORKER_IMAGES = (*IMAGES, MISSING)
WORKER_WEIGHTS = (5, 4, 4, 1.5, 1.5, 1, 1, 0.5, 0.3, 0.3, 0.3)
JOB_IMAGES = ("web:1", "once:1", "three:1", "absent:1", MISSING)
JOB_WEIGHTS = (3, 3, 1, 0.3, 0.3)
SECRET, CONFIG = "key", "settings"
SECRET_VALUES = ("nobody-may-read-this", "nor-that")
PORT = 8080
MEMORY_MIB = 256
TARGET_CPU = 50.0


def spec(
    name: str,
    replicas: int,
    image: str,
    port: int | None = None,
    *,
    secret: bool = False,
    config: bool = False,
    members: Mapping[str, object] = MappingProxyType({}),
) -> DeploymentSpec:
    """secret, config: it refers to the only one there may be."""
    body: dict[str, object] = {
        "name": name,
        "namespace": "sim",
        "runtime": "docker",
        "image": image,
        "replicas": replicas,
        **members,
    }
    if port is not None:
        body["ports"] = [{"published": port, "target": 80}]
    if secret:
        body["environment"] = {"KEY": {"secretRef": SECRET}}
    if config:
        mount = {"type": "config", "source": CONFIG, "key": "main", "destination": "/etc/main"}
        body["volumes"] = [{**mount, "permission": "ro"}]
    return DeploymentSpec.model_validate_json(json.dumps(body))


def drawn(rng: random.Random) -> DeploymentSpec:
    """`db` publishes a port, `job` mostly is one, `api` may be scaled by its load."""
    name = rng.choice(NAMES)
    if name == "job" and rng.random() < 0.8:
        return _job(rng)
    port = PORT if name == "db" else None
    members: dict[str, object] = {"health_checks": _checks(rng, job=False)}
    if name == "api" and rng.random() < 0.5:
        least = rng.randrange(1, 3)
        most = least + rng.randrange(3)
        members["autoscale"] = {"min": least, "max": most, "target_cpu": TARGET_CPU}
    if rng.random() < 0.2:
        members["auto_rollback"] = True
    return spec(
        name,
        1 if port else rng.randrange(5),
        rng.choices(WORKER_IMAGES, WORKER_WEIGHTS)[0],
        port,
        secret=rng.random() < 0.2,
        config=rng.random() < 0.15,
        members={**members, **_extras(rng)},
    )


def _job(rng: random.Random) -> DeploymentSpec:
    image = rng.choices(JOB_IMAGES, JOB_WEIGHTS)[0]
    checks = _checks(rng, job=True) if rng.random() < 0.3 else []
    members = {"kind": "job", "health_checks": checks, **_extras(rng)}
    return spec("job", 1, image, secret=rng.random() < 0.2, members=members)


def _extras(rng: random.Random) -> dict[str, object]:
    extras: dict[str, object] = {}
    if rng.random() < 0.15:
        extras["resources"] = {"requests": {"memory": f"{MEMORY_MIB}Mi"}}
    if rng.random() < 0.2:
        extras["stop_grace_period"] = rng.choice(("1s", "30s"))
    return extras


def _checks(rng: random.Random, *, job: bool) -> list[dict[str, object]]:
    """No two are equal: they differ in their port, by which a probe knows its index."""
    count = rng.choices((0, 1, 2), (3, 5, 2))[0]
    return [_check(rng, port=80 + index, job=job) for index in range(count)]


def _check(rng: random.Random, *, port: int, job: bool) -> dict[str, object]:
    readiness = not job and rng.random() < 0.7
    check: dict[str, object] = {
        "type": "tcp",
        "port": port,
        "interval": rng.choice(("1s", "2s", "5s")),
        "timeout": rng.choice(("500ms", "1s", "3s", "8s")),
        "threshold": rng.randrange(1, 4),
        "on_failure": rng.choices(("restart", "alert", "stop"), (5, 3, 1))[0],
        "readiness": readiness,
    }
    if readiness and rng.random() < 0.7:
        check["min_healthy_time"] = rng.choice(("0s", "0s", "2s", "30s"))
    if readiness and rng.random() < 0.2:
        check["start_period"] = "20s"
    return check
