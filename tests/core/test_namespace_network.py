"""Which settings of a namespace's network are taken, and what is said of the others."""

from __future__ import annotations

import pytest

from ring.core.namespace_network import UNSET, NamespaceNetwork, read, violations


@pytest.mark.parametrize("written", ["127.0.0.1", "0.0.0.0", "::1", "::", "FD46:3::1"])  # noqa: S104 - an address to publish at
def test_an_address_is_kept_as_it_is_written(written: str) -> None:
    settings = {"host_ip": written}
    assert list(violations(settings)) == []
    assert read(settings) == NamespaceNetwork(host_ip=written)
    assert read(settings).written() == settings


@pytest.mark.parametrize("settings", [{}, {"host_ip": None}, {"mtu": None}])
def test_nothing_set_is_unset(settings: dict[str, object]) -> None:
    assert list(violations(settings)) == []
    assert read(settings) == UNSET
    assert UNSET.written() == {}


@pytest.mark.parametrize("written", ["localhost", "", "127.1", "10.0.0.0/8", "fe80::1%eth0", 5, {}])
def test_what_is_no_address_is_invalid(written: object) -> None:
    (found,) = violations({"host_ip": written}, "network.")
    assert (found.path, found.code) == ("network.host_ip", "namespace.network.host_ip.invalid")


@pytest.mark.parametrize(
    "settings",
    [
        {"internal": False, "masquerade": True, "icc": True},
        {"policy": {"ingress": "allow", "egress": "allow"}},
        {"policy": {"egress": "allow"}},
        {"policy": {}, "labels": {}, "reserved": {}},
    ],
)
def test_a_default_that_is_written_down_asks_for_nothing(settings: dict[str, object]) -> None:
    assert list(violations(settings)) == []
    assert read(settings) == UNSET


@pytest.mark.parametrize(
    "settings",
    [
        {"subnet": "10.46.3.0/24"},
        {"mtu": 1500},
        {"internal": True},
        {"internal": 0},
        {"masquerade": 1},
        {"icc": False},
        {"policy": {"ingress": "deny"}},
        {"policy": "allow"},
        {"x" * 1000: "y"},
    ],
)
def test_what_this_version_has_not_is_refused(settings: dict[str, object]) -> None:
    (found,) = violations(settings)
    assert found.code == "namespace.network.unsupported"
    assert len(found.path) <= 64
