"""A Podman whose network backend is CNI, without the plugin that answers for names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Notices, RuntimeFailure
from ring.runtimes.podman import information, open_runtime
from ring.runtimes.shortcomings import NO_ISOLATION, NO_NAMES, Shortcomings
from scripts import engines
from tests.contract.outside import missing, required

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.engines import Engine

pytestmark = [pytest.mark.engine, pytest.mark.anyio]

PLUGINS = ("bridge", "firewall", "host-local", "portmap", "tuning")
TELLS_VERSIONS = """#!/bin/sh
printf %s '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]}'
"""
"""All that Podman asks of a plugin before there is an instance."""


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    required("RING_TEST_PODMAN_HOST", "a Podman service")
    if os.geteuid() != 0:
        missing("a Podman service of its own is needed: run as root")
    one = engines.podman_up(tmp_path_factory.getbasetemp() / "own-cni")
    try:
        engines.stop_podman(one)
        settings = one.podman / "containers.conf"
        written = settings.read_text().replace('"netavark"', '"cni"')
        settings.write_text(f'{written}cni_plugin_dirs = ["{one.podman}/plugins"]\n')
        (one.podman / "plugins").mkdir()
        try:
            engines.start_podman(one)
        except engines.EngineProblem as problem:
            if "cni support is not enabled" not in str(problem):
                raise
            pytest.skip("this Podman has no other backend than its own")
        yield one
    finally:
        engines.down(one.root)


async def test_what_it_lacks_is_known(service: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(information, "PLUGIN_FOLDERS", (f"{service.podman}/plugins",))
    runtime = open_runtime({"host": service.podman_host})
    assert isinstance(runtime, Notices)
    assert isinstance(runtime, Shortcomings)
    try:
        await runtime.ping()
        assert runtime.capabilities().discovery
        notices = await runtime.notices()
        assert any("network backend is cni" in one for one in notices)
        assert any("dnsname is not installed" in one for one in notices)
        assert not runtime.capabilities().discovery

        # It makes networks without its plugins, and then knows nothing of them.
        with pytest.raises(RuntimeFailure, match=r"network 'ring_shop'.*plugins") as refused:
            await runtime.ensure_network("shop")
        assert refused.value.failure.kind is FailureClass.NETWORK_FAILED

        folder = service.podman / "plugins"
        for name in PLUGINS:
            (folder / name).write_text(TELLS_VERSIONS)
            (folder / name).chmod(0o755)
        engines.stop_podman(service)
        engines.start_podman(service)
        await runtime.ensure_network("shop")
        reasons = [one.reason for one in runtime.shortcomings("shop")]
    finally:
        await runtime.close()
    assert reasons.count(NO_NAMES) == 1
    assert set(reasons) <= {NO_NAMES, NO_ISOLATION}
