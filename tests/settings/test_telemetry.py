"""What each exported signal is told, by file and by environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import UserError
from ring.settings.sources import read_config
from ring.settings.telemetry import SignalSettings, TelemetrySettings, telemetry

if TYPE_CHECKING:
    from pathlib import Path


def load(directory: Path, text: str, **environ: str) -> tuple[TelemetrySettings, list[str]]:
    (directory / "config.toml").write_text(text)
    document = read_config(None, {"RING_CONFIG_DIR": str(directory)})
    warnings: list[str] = []
    table = document.table("server").table("telemetry")
    return telemetry(table, environ, warnings), warnings


def test_everything_is_off_by_default(tmp_path: Path) -> None:
    settings, warnings = load(tmp_path, "")
    off = SignalSettings(False, "http://127.0.0.1:4317", "ring-server")
    assert (settings.traces, settings.metrics, settings.logs) == (off, off, off)
    assert (settings.sampler, settings.ratio) == ("parent_based_always_on", 1.0)
    assert settings.interval_s == 15
    assert warnings == []


def test_signals_are_independent(tmp_path: Path) -> None:
    settings, _ = load(
        tmp_path,
        '[server.telemetry.traces]\nenabled = true\nendpoint = "http://t:1"\n'
        '[server.telemetry.metrics]\nenabled = true\nservice_name = "m"\ninterval_seconds = 30\n',
    )
    assert settings.traces == SignalSettings(True, "http://t:1", "ring-server")
    assert settings.metrics == SignalSettings(True, "http://127.0.0.1:4317", "m")
    assert not settings.logs.enabled
    assert settings.interval_s == 30


def test_the_environment_wins_and_its_more_special_name_first(tmp_path: Path) -> None:
    text = '[server.telemetry.traces]\nendpoint = "http://file:1"\nservice_name = "file"\n'
    settings, _ = load(
        tmp_path,
        text,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://all:1",
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=" http://logs:1 ",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" ",
        OTEL_SERVICE_NAME="shop",
    )
    assert settings.traces == SignalSettings(False, "http://all:1", "shop")
    assert settings.metrics.endpoint == "http://all:1"
    assert settings.logs.endpoint == "http://logs:1"


@pytest.mark.parametrize(
    ("written", "sampler", "ratio", "warned"),
    [
        ("always_on", "always_on", 1.0, 0),
        (" Always_OFF ", "always_off", 1.0, 0),
        ("parent_based_always_off", "parent_based_always_off", 1.0, 0),
        ("ratio:0.25", "ratio", 0.25, 0),
        ("RATIO: 7", "ratio", 1.0, 0),
        ("ratio:-1", "ratio", 0.0, 0),
        ("ratio:nan", "parent_based_always_on", 1.0, 1),
        ("ratio", "parent_based_always_on", 1.0, 1),
        ("sometimes", "parent_based_always_on", 1.0, 1),
    ],
)
def test_samplers(tmp_path: Path, written: str, sampler: str, ratio: float, warned: int) -> None:
    settings, warnings = load(tmp_path, f'[server.telemetry.traces]\nsampler = "{written}"\n')
    assert (settings.sampler, settings.ratio) == (sampler, ratio)
    assert len(warnings) == warned


def test_an_interval_is_at_least_a_second(tmp_path: Path) -> None:
    settings, _ = load(tmp_path, "[server.telemetry.metrics]\ninterval_seconds = 0\n")
    assert settings.interval_s == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[server.telemetry]\ntraces = 1", "server.telemetry.traces must be a table"),
        ("[server.telemetry.logs]\nenabled = 1", "server.telemetry.logs.enabled must be true or"),
        ("[server.telemetry.traces]\nsampler = 1", "server.telemetry.traces.sampler must be a"),
        (
            "[server.telemetry.metrics]\ninterval_seconds = '1'",
            "server.telemetry.metrics.interval_seconds must be an integer",
        ),
    ],
)
def test_wrong_types_name_the_key(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(tmp_path, line + "\n")
