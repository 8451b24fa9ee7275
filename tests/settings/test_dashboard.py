"""Whether the dashboard is served, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import UserError
from ring.settings.dashboard import DashboardSettings, dashboard
from ring.settings.sources import read_config

if TYPE_CHECKING:
    from pathlib import Path

ON = "[server.dashboard]\nenabled = true\n"


def load(directory: Path, text: str, **environ: str) -> tuple[DashboardSettings, list[str]]:
    (directory / "config.toml").write_text(text)
    document = read_config(None, {"RING_CONFIG_DIR": str(directory)})
    warnings: list[str] = []
    return dashboard(document, environ, warnings), warnings


@pytest.mark.parametrize(
    ("text", "switch", "enabled", "warned"),
    [
        ("", "", False, 0),
        (ON, "", True, 0),
        ("", " Yes ", True, 0),
        ("", "ON", True, 0),
        ("", "1", True, 0),
        (ON, "off", False, 0),
        (ON, "0", False, 0),
        (ON, "perhaps", True, 1),
        ("", "perhaps", False, 1),
    ],
)
def test_the_switch(tmp_path: Path, text: str, switch: str, enabled: bool, warned: int) -> None:
    settings, warnings = load(tmp_path, text, RING_DASHBOARD=switch)
    assert settings.enabled is enabled
    assert len(warnings) == warned


@pytest.mark.parametrize(
    ("written", "variable", "place", "warned"),
    [
        ("127.0.0.1:3031", "", ("127.0.0.1", 3031), 0),
        ("localhost:80", " ", ("localhost", 80), 0),
        ("localhost:80", "[::1]:90", ("::1", 90), 0),
        ("localhost:80", "nowhere", ("localhost", 80), 1),
        ("localhost:80", "a:70000", ("localhost", 80), 1),
    ],
)
def test_where(
    tmp_path: Path, written: str, variable: str, place: tuple[str, int], warned: int
) -> None:
    text = f'[server.dashboard]\nlisten_address = "{written}"\n'
    settings, warnings = load(tmp_path, text, RING_DASHBOARD_LISTEN=variable)
    assert (settings.host, settings.port) == place
    assert len(warnings) == warned


def test_the_older_place_counts_where_the_present_one_is_silent(tmp_path: Path) -> None:
    old = "[dashboard]\nenabled = true\n"
    settings, warnings = load(tmp_path, old)
    assert settings.enabled
    assert warnings == ["[dashboard] is deprecated, use [server.dashboard]"]
    settings, warnings = load(tmp_path, old + "[server.dashboard]\nenabled = false\n")
    assert not settings.enabled
    assert warnings == []


def test_an_address_without_a_port_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"server\.dashboard\.listen_address must be host:port"):
        load(tmp_path, "[server.dashboard]\nlisten_address = 'here'\n")
