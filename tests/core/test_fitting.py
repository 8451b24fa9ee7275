from __future__ import annotations

import pytest

from ring.core.fitting import Fitting, quietest
from ring.core.model.shapes import DEPLOYMENT


@pytest.mark.parametrize(("value", "fits"), [("80-90", True), ("80", False), ("a-b", False)])
def test_ranges_pass_where_they_are_let_through(value: str, fits: bool) -> None:
    fitting = Fitting(frozenset(), ranges=True)
    body = {"name": "a", "namespace": "b", "runtime": "docker", "image": "c"}
    fitted = fitting.fit(DEPLOYMENT, {**body, "ports": [{"published": value, "target": 80}]})
    assert bool(fitting.violations) is not fits
    assert (fitted["ports"][0]["published"] == value) is fits


def test_the_quietest_value_fits() -> None:
    fitting = Fitting(frozenset())
    quiet = quietest(DEPLOYMENT)
    assert fitting.fit(DEPLOYMENT, quiet) == quiet
    assert fitting.violations == []
