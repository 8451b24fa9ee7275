"""Colours of status words."""

from __future__ import annotations

from ring.cli.terminal import GREEN, RED, YELLOW

DEPLOYMENT_STATUS = {
    **dict.fromkeys(("running", "completed"), GREEN),
    **dict.fromkeys(("pending", "creating", "deleted"), YELLOW),
    **dict.fromkeys(
        (
            "failed",
            "error",
            "crash_loop_back_off",
            "image_pull_back_off",
            "create_container_error",
            "network_error",
            "config_error",
            "file_system_error",
            "insufficient_resources",
        ),
        RED,
    ),
}
EVENT_LEVEL = {"warning": YELLOW, "error": RED}
CREDENTIAL_STATUS = {"active": GREEN, "revoked": RED, "expired": RED}
"""Of tokens and webhooks."""
DELIVERY_STATUS = {"delivered": GREEN, "dead": RED}
CHECK_STATUS = {"success": GREEN, "failed": RED, "timeout": RED}
STATE = {
    **dict.fromkeys(("ready", "completed"), GREEN),
    **dict.fromkeys(("progressing", "waiting"), YELLOW),
    "failed": RED,
}
"""Of `ring deployment why`."""
