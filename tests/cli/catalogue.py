"""Every command that asks the server, with an answer as the API gives it."""

from __future__ import annotations

from typing import Any, NamedTuple

ID = "0b1f6d3e-5a53-4f3c-9a61-4f0f7b2f1d10"
MADE = "2026-02-11T08:14:09.120331Z"

DEPLOYMENT: dict[str, Any] = {
    "id": ID,
    "created_at": MADE,
    "updated_at": "",
    "name": "web",
    "namespace": "shop",
    "runtime": "docker",
    "image": "nginx:1.27",
    "kind": "worker",
    "status": "running",
    "restart_count": 3,
    "command": [],
    "config": {},
    "replicas": 8,
    "desired_replicas": 5,
    "autoscale": {"min": 1, "max": 9, "target_cpu": 50},
    "revision": 1,
    "ports": [{"published": 8080, "target": 80, "host_ip": None, "protocol": "tcp"}],
    "labels": {"tier": "front"},
    "instances": [{"id": "c1", "address": "10.1.0.2"}],
    "environment": {},
    "volumes": [
        {
            "type": "bind",
            "source": "/srv",
            "key": None,
            "destination": "/data",
            "driver": "local",
            "permission": "rw",
        }
    ],
    "network": {"mode": "bridge"},
    "image_digest": "sha256:aa",
    "parent_id": ID,
}
EVENT = {
    "id": "e1",
    "deployment_id": "x",
    "timestamp": MADE,
    "level": "info",
    "message": "began",
    "component": "api",
    "reason": None,
}
LINE = {"instance": "shop_web_1", "message": "hello", "level": "info", "timestamp": MADE}
MEMORY = {"usage_bytes": 43201331, "limit_bytes": 134217728, "usage_percent": 32.19}
NETWORK = {"rx_bytes": 1044, "tx_bytes": 640, "rx_packets": 2, "tx_packets": 1}
DISK = {"read_bytes": 0, "write_bytes": 3 << 30}
METRICS = {
    "deployment_id": "x",
    "deployment_name": "gate",
    "instance_count": 2,
    "total_cpu_usage_percent": 3.408,
    "total_memory": MEMORY,
    "total_network": NETWORK,
    "total_disk_io": DISK,
    "total_pids": 6,
    "instances": [
        {
            "instance_id": "8d1f0a2b3c4d",
            "instance_name": "lab_gate_1c9e02aa",
            "cpu_usage_percent": 1.7,
            "memory": MEMORY,
            "network": NETWORK,
            "disk_io": DISK,
            "pids": {"current": 3, "limit": 0},
            "restart_count": 0,
        }
    ],
}
CHECK = {
    "id": "h1",
    "deployment_id": "x",
    "check_type": "http",
    "status": "failed",
    "message": "answered 503",
    "created_at": MADE,
    "started_at": MADE,
    "finished_at": MADE,
}
WHY = {
    "deployment_id": ID,
    "status": "creating",
    "state": "progressing",
    "summary": "waits for 1 of 3 instances to become ready",
    "decided_at": MADE,
    "rows": [
        {
            "id": ID,
            "revision": 4,
            "status": "creating",
            "target": 3,
            "live": 3,
            "ready": 2,
            "role": "child",
            "reason": "waits for 1 of 3 instances to become ready",
        }
    ],
}
REVISION = {
    "revision": 4,
    "deployment_id": ID,
    "created_at": MADE,
    "author": "mira",
    "cause": "apply",
    "ready_at": None,
    "current": True,
    "image": "web:2",
    "replicas": 3,
    "changes": [{"path": "image", "before": "web:1", "after": "web:2"}],
}
NAMESPACE = {"id": "7", "created_at": MADE, "updated_at": None, "name": "shop"}
AUDIT = {
    "id": "a1",
    "timestamp": MADE,
    "user_id": None,
    "action": "create",
    "target_type": "secret",
    "target_name": "db",
    "namespace": "shop",
}
SECRET = {"id": "s1", "created_at": MADE, "updated_at": None, "namespace": "shop", "name": "db"}
CONFIG = {
    "id": "c1",
    "created_at": MADE,
    "updated_at": None,
    "namespace": "shop",
    "name": "web.conf",
    "data": '{"b.conf":"two\\nlines","a.conf":"one"}',
    "labels": "tier=front",
}
VOLUME = {
    "id": "v1",
    "created_at": MADE,
    "updated_at": None,
    "namespace": "shop",
    "name": "data",
    "size": 1024,
    "backend_type": "local",
    "host_path": "data",
    "labels": {"tier": "back"},
}
USER = {
    "id": "u1",
    "username": "mira",
    "created_at": MADE,
    "updated_at": None,
    "status": "active",
    "login_at": None,
    "role": "viewer",
}
TOKEN = {
    "id": "t1",
    "name": "ci",
    "token_prefix": "ring_pat_9ac41e",
    "scopes": ["deployments:read", "secrets:read"],
    "namespaces": [],
    "created_at": MADE,
    "expire_at": None,
    "last_used_at": None,
    "revoked_at": None,
}
NEW_TOKEN = {**TOKEN, "token": "ring_pat_9ac41e00", "message": "shown once"}
WEBHOOK = {
    "id": "w1",
    "url": "https://example.org/hook",
    "events": ["deployment.*"],
    "namespaces": [],
    "created_at": MADE,
    "revoked_at": None,
}
NEW_WEBHOOK = {**WEBHOOK, "secret": "whsec_00ff", "message": "shown once"}
DELIVERY = {
    "id": "d1",
    "kind": "deployment.scaled",
    "payload": "{}",
    "status": "pending",
    "attempts": 1,
    "next_attempt_at": MADE,
    "last_error": "subscriber returned 500",
    "created_at": MADE,
    "updated_at": None,
}
NODE = {
    "hostname": "edge-7",
    "os": "linux",
    "arch": "x86_64",
    "uptime": "91234s",
    "cpu_count": 16,
    "memory_total": 31.2,
    "memory_available": 22.9,
    "load_average": [0.4, 0.3, 0.2],
}


class Command(NamedTuple):
    words: tuple[str, ...]
    route: str
    """The request whose answer is what the command is about."""
    body: Any
    """What the API answers."""


READS = (
    Command(("deployment", "list"), "GET /deployments", [DEPLOYMENT]),
    Command(("deployment", "inspect", "x"), "GET /deployments/x", DEPLOYMENT),
    Command(("deployment", "events", "x"), "GET /deployments/x/events", [EVENT]),
    Command(("deployment", "logs", "x"), "GET /deployments/x/logs", [LINE]),
    Command(("deployment", "metrics", "x"), "GET /deployments/x/metrics", METRICS),
    Command(("deployment", "health-checks", "x"), "GET /deployments/x/health-checks", [CHECK]),
    Command(("deployment", "why", "x"), "GET /deployments/x/why", WHY),
    Command(("deployment", "history", "x"), "GET /deployments/x/revisions", [REVISION]),
    Command(("namespace", "list"), "GET /namespaces", [NAMESPACE]),
    Command(("namespace", "audit", "x"), "GET /namespaces/x/audit", [AUDIT]),
    Command(("secret", "list"), "GET /secrets", [SECRET]),
    Command(("config", "list"), "GET /configs", [CONFIG]),
    Command(("config", "inspect", "x"), "GET /configs/x", CONFIG),
    Command(("volume", "list"), "GET /volumes", [VOLUME]),
    Command(("volume", "inspect", "x"), "GET /volumes/x", VOLUME),
    Command(("user", "list"), "GET /users", [USER]),
    Command(("token", "list"), "GET /tokens", [TOKEN]),
    Command(("webhook", "list"), "GET /webhooks", [WEBHOOK]),
    Command(("webhook", "inspect", "x"), "GET /webhooks/x/events", [DELIVERY]),
    Command(("node", "get"), "GET /node/get", NODE),
)
"""All of them take `-o json`."""

MAKES = (
    Command(("namespace", "create", "x"), "POST /namespaces", NAMESPACE),
    Command(("secret", "create", "x", "-n", "s", "-v", "v"), "POST /secrets", SECRET),
    Command(("volume", "create", "x", "-n", "s"), "POST /volumes", VOLUME),
    Command(("token", "create", "x", "-s", "admin"), "POST /tokens", NEW_TOKEN),
    Command(("token", "rotate", "x"), "POST /tokens/x/rotate", NEW_TOKEN),
    Command(("webhook", "create", "x"), "POST /webhooks", NEW_WEBHOOK),
    Command(("user", "create", "-u", "x", "-p", "y"), "POST /users", USER),
    Command(("user", "update", "-u", "x"), "GET /users/me", USER),
    Command(("namespace", "prune", "shop"), "GET /deployments", [DEPLOYMENT]),
    Command(("deployment", "restart", "x"), "POST /deployments/x/restart", DEPLOYMENT),
    Command(("deployment", "scale", "x", "5"), "POST /deployments/x/scale", DEPLOYMENT),
    Command(("deployment", "stop", "x"), "POST /deployments/x/stop", DEPLOYMENT),
    Command(("deployment", "start", "x"), "POST /deployments/x/start", DEPLOYMENT),
    Command(("deployment", "rollback", "x"), "POST /deployments/x/rollback", DEPLOYMENT),
    Command(("deployment", "wait", "x"), "GET /deployments/x", DEPLOYMENT),
    Command(("deployment", "history", "x", "-v"), "GET /deployments/x/revisions", [REVISION]),
    Command(("deployment", "inspect", "a/b"), "GET /deployments", [DEPLOYMENT]),
    Command(("config", "inspect", "x", "-n", "s"), "GET /configs", [CONFIG]),
    Command(("deployment", "events", "x", "-f"), "GET /deployments/x/events", [EVENT]),
    Command(("deployment", "logs", "x", "-f"), "GET /deployments/x/logs", [LINE]),
    Command(("webhook", "inspect", "x", "-f"), "GET /webhooks/x/events", [DELIVERY]),
)
"""Commands that read an answer on their way to something else."""

DELETES = (
    Command(("deployment", "delete", "x"), "DELETE /deployments/x", None),
    Command(("namespace", "delete", "x"), "DELETE /namespaces/x", None),
    Command(("secret", "delete", "x"), "DELETE /secrets/x", None),
    Command(("config", "delete", "x"), "DELETE /configs/x", None),
    Command(("volume", "delete", "x"), "DELETE /volumes/x", None),
    Command(("user", "delete", "x"), "DELETE /users/x", None),
    Command(("token", "revoke", "x", "--yes"), "DELETE /tokens/x", None),
    Command(("webhook", "delete", "x"), "DELETE /webhooks/x", None),
)
EVERY = (*READS, *MAKES, *DELETES)


def name_of(command: Command) -> str:
    """Of a test that is about one command."""
    return " ".join(command.words)
