"""Every bench can be run as it stands; its figures are lines of JSON that say what was measured."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from bench.figures import Pair
from bench.measures import percentile, show_fact, show_ratio
from scripts.docs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = sorted((ROOT / "bench").glob("p[0-9]*_*.py"))
PAGE = (ROOT / "docs/benchmarks.md").read_text()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_bench_loads_and_can_be_run(path: Path) -> None:
    goal = re.match(r"p(\d+)_", path.name)
    assert goal is not None
    module = importlib.import_module(f"bench.{path.stem}")
    assert module.__doc__ is not None
    assert module.__doc__.startswith(f"P{goal[1]}: ")
    assert callable(module.measure)
    assert path.read_text().startswith("#!/usr/bin/env python3\n")
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_bench_starts_without_the_projects_packages(path: Path) -> None:
    """It is the bench that installs them."""
    source = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bench.{path.stem}"
    argv = [sys.executable, "-I", "-S", "-c", source]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_page_names_every_bench_and_no_other() -> None:
    assert set(re.findall(r"`bench/(p\d+_\w+\.py)`", PAGE)) == {script.name for script in SCRIPTS}


def test_a_ratio_names_its_unit_and_what_else_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show_ratio("P2", [Pair(4.5, 5.0)] * 3, "per_s", width=4)
    assert json.loads(capsys.readouterr().out) == {
        "goal": "P2",
        "ratio": 0.9,
        "lo": 0.9,
        "hi": 0.9,
        "floor_per_s": 5.0,
        "ours_per_s": 4.5,
        "n": 3,
        "width": 4,
    }


def test_a_fact_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_fact("P12.workloads", restarted=0, n=50)
    assert capsys.readouterr().out == '{"goal": "P12.workloads", "restarted": 0, "n": 50}\n'


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(99, 99.0), (50, 50.0), (100, 100.0), (0, 1.0), (98.5, 99.0)],
)
def test_a_percentile_is_a_sample_that_so_many_do_not_exceed(
    percent: float, expected: float
) -> None:
    samples = [float(number) for number in range(100, 0, -1)]
    assert percentile(samples, percent) == expected


def test_the_percentile_of_one_sample_is_that_sample() -> None:
    assert percentile([7.0], 99) == 7.0
