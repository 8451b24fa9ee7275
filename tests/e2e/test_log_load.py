"""Many replicas that write as fast as they can, followed: nothing is lost or mixed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until
from tests.e2e.test_logs import following

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

REPLICAS = 10
LINES = {"docker": 10_000, "podman": 2_000, "containerd": 10_000}
"""Of each replica; Podman's service reads its own logs slowly."""
WRITER = "awk 'BEGIN {{ while (n < {lines}) printf \"%05d\\n\", n++ }}'; exec sleep 3600"
TIMESTAMP = len("[2027-03-02T08:15:04.120934Z] ")


@ON_ALL
def test_all_lines_of_all_replicas_come_in_their_order(
    runtime: str, story: Story, tmp_path: Path
) -> None:
    lines = LINES[runtime]
    command = ["sh", "-c", WRITER.format(lines=lines)]
    story.applied(story.worker(replicas=REPLICAS, command=command))
    into = tmp_path / "all.out"
    with following(story, into, "--tail", "999999"):
        names = {one.name for one in story.wait_whole(REPLICAS)}
        width = TIMESTAMP + len(min(names)) + len(" 00000\n")
        wait_until(
            lambda: (
                into.stat().st_size >= REPLICAS * lines * width
                and into.read_bytes().count(b"\n") >= REPLICAS * lines
            ),
            60,
            "every line has come",
            lambda: (into.stat().st_size / width, into.with_suffix(".err").read_text()),
        )
    written: dict[str, list[str]] = {name: [] for name in names}
    for line in into.read_text().splitlines():
        _, name, number = line.split()
        written[name].append(number)
    expected = [f"{number:05d}" for number in range(lines)]
    if runtime == "podman":
        # Asked for the end of a log, Podman tells the first piece of a line that was written in two
        # with the line before it.
        assert all("".join(found) == "".join(expected) for found in written.values())
        assert all(len(found) == lines for found in written.values())
    else:
        assert all(found == expected for found in written.values())
