"""`[server.logs]`, and the variables that go before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import UserError
from ring.core.model.logs import Allowance
from ring.settings.logs import logs
from ring.settings.sources import read_config

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def load(directory: Path, lines: str, **environ: str) -> tuple[Allowance, list[str]]:
    (directory / "config.toml").write_text(f"[server.logs]\n{lines}\n")
    document = read_config(None, {"RING_CONFIG_DIR": str(directory)})
    warnings: list[str] = []
    return logs(document.table("server").table("logs"), environ, warnings), warnings


@pytest.mark.parametrize(
    ("lines", "environ", "said"),
    [
        ("", {}, Allowance(instances=10, size=8 * MIB)),
        ("ended_instances = 3\nended_size = '1G'", {}, Allowance(3, 1_000_000_000)),
        ("ended_instances = 100\nended_size = 262144", {}, Allowance(100, 262144)),
        ("ended_instances = 0", {}, Allowance(0, 8 * MIB)),
        ("ended_size = 0", {}, Allowance(10, 0)),
        ("ended_size = '0'", {}, Allowance(10, 0)),
        ("ended_instances = 3", {"RING_LOGS_ENDED_INSTANCES": "0"}, Allowance(0, 8 * MIB)),
        ("ended_size = 0", {"RING_LOGS_ENDED_SIZE": "1Gi"}, Allowance(10, 1024 * MIB)),
        ("ended_size = '1Mi'", {"RING_LOGS_ENDED_SIZE": "0"}, Allowance(10, 0)),
        ("ended_size = '1Mi'", {"RING_LOGS_ENDED_SIZE": ""}, Allowance(10, MIB)),
    ],
)
def test_what_is_said(tmp_path: Path, lines: str, environ: dict[str, str], said: Allowance) -> None:
    assert load(tmp_path, lines, **environ) == (said, [])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ended_instances = 101", "ended_instances must be a number from 0 to 100, got 101"),
        ("ended_instances = -1", "ended_instances must be a number from 0 to 100, got -1"),
        ("ended_instances = true", "ended_instances must be a number from 0 to 100, got True"),
        ("ended_instances = '3'", "ended_instances must be a number from 0 to 100, got '3'"),
        ("ended_instances = 1.5", "ended_instances must be a number from 0 to 100, got 1.5"),
        ("ended_size = '255Ki'", "ended_size must be 0, or a size from '256Ki' to '1Gi', got '255"),
        ("ended_size = '2Gi'", "ended_size must be 0, or a size from '256Ki' to '1Gi', got '2Gi'"),
        ("ended_size = 'much'", "ended_size must be 0, or a size from '256Ki' to '1Gi', got 'much"),
        ("ended_size = false", "ended_size must be 0, or a size from '256Ki' to '1Gi', got False"),
    ],
)
def test_what_cannot_be_stops_the_start(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(tmp_path, line)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        (
            "RING_LOGS_ENDED_INSTANCES",
            "many",
            "RING_LOGS_ENDED_INSTANCES 'many' is not a number from 0 to 100, using 10",
        ),
        (
            "RING_LOGS_ENDED_SIZE",
            "5",
            "RING_LOGS_ENDED_SIZE '5' is not 0, or a size from '256Ki' to '1Gi', using 8388608",
        ),
    ],
)
def test_a_variable_that_cannot_be_is_told_and_ignored(
    tmp_path: Path, variable: str, value: str, says: str
) -> None:
    assert load(tmp_path, "", **{variable: value}) == (Allowance(), [says])
