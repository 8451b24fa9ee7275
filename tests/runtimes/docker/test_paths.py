from __future__ import annotations

from urllib.parse import unquote

import pytest

from ring.runtimes.docker import paths


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/b", "../containers/x"])
def test_what_is_no_segment(name: str) -> None:
    assert not paths.is_segment(name)
    assert not paths.is_clean(f"/volumes/{paths.quoted(name)}/..")


@pytest.mark.parametrize("name", ["a", "...", ".a", "a..", "%2e%2e", "a b", "é", "a?b#c"])
def test_a_quoted_segment_is_one(name: str) -> None:
    path = f"/volumes/{paths.quoted(name)}"
    assert paths.is_segment(name)
    assert paths.is_clean(path)
    assert unquote(path).rpartition("/")[2] == name


@pytest.mark.parametrize("name", ["a", "a/b:1", "h.test:5000/a/b:1@sha256:c"])
def test_an_image_is_segments_as_they_are_written(name: str) -> None:
    assert paths.are_segments(name)
    assert paths.quoted(name) == name


@pytest.mark.parametrize(
    "name", ["../containers/x", "a/../b", "a/./b", "a//b", "/a", "a/", "..", "", "a/.."]
)
def test_an_image_that_leads_elsewhere(name: str) -> None:
    assert not paths.are_segments(name)
    assert not paths.is_clean(f"/images/{paths.quoted(name)}/json")


@pytest.mark.parametrize("path", ["", "a", "/", "/a?b", "/a#b", "/a b", "/a\n", "/é", "/a\\b"])
def test_what_is_not_quoted_is_not_clean(path: str) -> None:
    assert not paths.is_clean(path)
