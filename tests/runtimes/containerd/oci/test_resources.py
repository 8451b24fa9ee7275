from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import Quantities, Resources
from ring.runtimes.containerd.oci import resources

if TYPE_CHECKING:
    from pathlib import Path

NO_PIDS_LIMIT = {"pids": {"limit": -1}}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, {}),
        (Resources(), {}),
        (
            Resources(limits=Quantities(cpu="0.5", memory="128Mi")),
            {
                "cpu": {"quota": 50_000, "period": 100_000},
                "memory": {"limit": 134_217_728, "swap": 268_435_456},
            },
        ),
        (Resources(limits=Quantities(cpu="2")), {"cpu": {"quota": 200_000, "period": 100_000}}),
        (Resources(limits=Quantities(cpu="1m")), {"cpu": {"quota": 1_000, "period": 100_000}}),
        (
            Resources(requests=Quantities(cpu="250m", memory="64Mi")),
            {"cpu": {"shares": 256}, "memory": {"reservation": 67_108_864}},
        ),
        (Resources(requests=Quantities(cpu="1m")), {"cpu": {"shares": 2}}),
    ],
)
def test_limits(wanted: Resources | None, found: dict[str, object]) -> None:
    assert resources.limits(wanted, has_swap_limit=True) == {**NO_PIDS_LIMIT, **found}


def test_without_a_count_of_swap_there_is_no_limit_of_it() -> None:
    wanted = Resources(limits=Quantities(memory="128Mi"))
    found = resources.limits(wanted, has_swap_limit=False)
    assert found["memory"] == {"limit": 134_217_728}


def test_swap_of_the_first_version(tmp_path: Path) -> None:
    assert not resources.can_limit_swap(has_cgroup_v2=False, cgroups=tmp_path)
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.memsw.limit_in_bytes").touch()
    assert resources.can_limit_swap(has_cgroup_v2=False, cgroups=tmp_path)


@pytest.mark.parametrize("own", ["0::/system.slice/ring.service\n", "0::/\n"])
def test_swap_of_the_second_version(tmp_path: Path, own: str) -> None:
    own_group, cgroups = tmp_path / "own", tmp_path / "cgroups"
    group = cgroups / "system.slice/ring.service"
    group.mkdir(parents=True)
    (cgroups / "cgroup.procs").touch()

    def can_limit() -> bool:
        return resources.can_limit_swap(has_cgroup_v2=True, cgroups=cgroups, own_group=own_group)

    assert not can_limit()
    own_group.write_text(own)
    assert not can_limit()
    for folder in (group, group.parent):
        (folder / "memory.swap.max").touch()
    assert can_limit()
