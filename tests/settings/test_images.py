"""`[server.images]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import UserError
from ring.core.keeping import Policy
from ring.settings.images import images
from ring.settings.sources import read_config

if TYPE_CHECKING:
    from pathlib import Path


def load(directory: Path, lines: str) -> Policy:
    (directory / "config.toml").write_text(f"[server.images]\n{lines}\n")
    document = read_config(None, {"RING_CONFIG_DIR": str(directory)})
    return images(document.table("server").table("images"))


def test_it_is_off_by_default(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Policy(
        enabled=False,
        min_age_s=86400.0,
        max_age_s=2592000.0,
        high_percent=85,
        low_percent=80,
        interval_s=600.0,
    )


def test_everything_is_said(tmp_path: Path) -> None:
    lines = "gc = true\ngc_min_age = '30m'\ngc_max_age = 'never'\ngc_high = 70\ngc_low = 60\n"
    assert load(tmp_path, lines + "gc_interval = '1s'") == Policy(
        enabled=True,
        min_age_s=1800.0,
        max_age_s=None,
        high_percent=70,
        low_percent=60,
        interval_s=1.0,
    )


def test_the_lower_mark_follows_the_upper_one(tmp_path: Path) -> None:
    assert load(tmp_path, "gc_high = 50").low_percent == 50


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("gc = 1", "gc must be true or false"),
        ("gc_min_age = '1d'", "gc_min_age must be a duration such as '24h', got '1d'"),
        ("gc_min_age = 24", "gc_min_age must be a non-empty string"),
        ("gc_max_age = 'always'", "gc_max_age must be a duration such as '24h', or 'never', got"),
        ("gc_max_age = '1h'", "gc_max_age must be such that gc_max_age is not below gc_min_age"),
        ("gc_min_age = '999h'", "gc_min_age must be such that gc_max_age is not below"),
        ("gc_high = 101", "gc_high must be a percentage from 1 to 100, got 101"),
        ("gc_high = '85'", "gc_high must be an integer"),
        ("gc_low = 90", "gc_low must be at most gc_high, which is 85, got 90"),
        ("gc_interval = '999ms'", "gc_interval must be a duration of at least '1s'"),
    ],
)
def test_what_cannot_be(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, line)
    assert f"server.images.{says}" in caught.value.message
