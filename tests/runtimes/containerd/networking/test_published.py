from __future__ import annotations

from typing import Any

import pytest

from ring.network.keeper import Relay
from ring.runtimes.containerd.networking import published
from ring.runtimes.containerd.networking.published import Published


@pytest.mark.parametrize(
    ("host_ip", "mapped"),
    [
        (None, {}),
        ("0.0.0.0", {}),  # noqa: S104 - as a manifest may have it
        ("127.0.0.1", {"hostIP": "127.0.0.1"}),
        ("::", None),
        ("fd00::1", None),
    ],
)
def test_where_it_is_mapped(host_ip: str | None, mapped: dict[str, str] | None) -> None:
    port = Published(host_ip, 8080, 80, "udp")
    usual: dict[str, Any] = {"hostPort": 8080, "containerPort": 80, "protocol": "udp"}
    assert published.mappings([port]) == ([] if mapped is None else [{**usual, **mapped}])
    assert published.relays([port]) == [Relay(host_ip, 8080, "udp", "", 80)]
    assert published.relays([port], "10.46.0.2") == [Relay(host_ip, 8080, "udp", "10.46.0.2", 80)]
