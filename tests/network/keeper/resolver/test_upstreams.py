from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.network.keeper.resolver.upstreams import SHUNNED_S, SILENCES, Upstreams

if TYPE_CHECKING:
    from pathlib import Path


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "resolv.conf", tmp_path / "behind.conf"


@pytest.fixture
def upstreams(files: tuple[Path, Path], clock: _Clock) -> Upstreams:
    return Upstreams(files, clock)


def test_the_servers_as_they_are_named(upstreams: Upstreams, files: tuple[Path, Path]) -> None:
    files[0].write_text(
        "# nameserver 9.9.9.9\nsearch corp.example\nnameserver 192.0.2.1\n"
        "nameserver nonsense\nnameserver\n nameserver fd00::53 # ours\nnameserver 192.0.2.1\n"
    )
    assert upstreams.servers() == ["192.0.2.1", "fd00::53"]


def test_the_files_are_read_again_when_they_change(
    upstreams: Upstreams, files: tuple[Path, Path]
) -> None:
    assert upstreams.servers() == []
    files[0].write_text("nameserver 192.0.2.1\n")
    assert upstreams.servers() == ["192.0.2.1"]
    changed = files[0].with_name("new")
    changed.write_text("nameserver 192.0.2.2\n")
    changed.replace(files[0])
    assert upstreams.servers() == ["192.0.2.2"]


def test_the_real_servers_behind_a_stub(upstreams: Upstreams, files: tuple[Path, Path]) -> None:
    files[0].write_text("nameserver 127.0.0.53\n")
    assert upstreams.servers() == ["127.0.0.53"]
    files[1].write_text("nameserver 192.0.2.1\n")
    assert upstreams.servers() == ["192.0.2.1"]
    files[0].write_text("nameserver 127.0.0.53\nnameserver 192.0.2.7\n")
    assert upstreams.servers() == ["127.0.0.53", "192.0.2.7"]


def test_none_that_is_this_one(upstreams: Upstreams, files: tuple[Path, Path]) -> None:
    files[0].write_text("nameserver 10.46.3.1\nnameserver 192.0.2.1\n")
    assert upstreams.servers({"10.46.3.1"}) == ["192.0.2.1"]


def test_three_at_most(upstreams: Upstreams, files: tuple[Path, Path]) -> None:
    files[0].write_text("".join(f"nameserver 192.0.2.{n}\n" for n in range(9)))
    assert upstreams.servers({"192.0.2.0"}) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


ONE, TWO = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def both(upstreams: Upstreams, files: tuple[Path, Path]) -> Upstreams:
    files[0].write_text(f"nameserver {ONE}\nnameserver {TWO}\n")
    assert upstreams.servers() == [ONE, TWO]
    return upstreams


def _silent(upstreams: Upstreams, server: str, times: int) -> None:
    for _ in range(times):
        upstreams.was_silent(server, upstreams.answers(server))


def test_one_that_does_not_answer_is_asked_last_for_a_while(both: Upstreams, clock: _Clock) -> None:
    _silent(both, ONE, SILENCES - 1)
    assert both.servers() == [ONE, TWO]
    _silent(both, ONE, 1)
    assert both.servers() == [TWO, ONE]
    clock.now += SHUNNED_S
    assert both.servers() == [ONE, TWO]


def test_one_that_is_still_silent_after_that_is_asked_last_at_once(
    both: Upstreams, clock: _Clock
) -> None:
    _silent(both, ONE, SILENCES)
    clock.now += SHUNNED_S
    _silent(both, ONE, 1)
    assert both.servers() == [TWO, ONE]


def test_an_answer_makes_up_for_the_silences_before_it(both: Upstreams) -> None:
    for _ in range(3):
        _silent(both, ONE, SILENCES - 1)
        both.answered(ONE)
    assert both.servers() == [ONE, TWO]


def test_one_that_answers_is_asked_first_again(both: Upstreams) -> None:
    _silent(both, ONE, SILENCES)
    both.answered(TWO)
    assert both.servers() == [TWO, ONE]
    both.answered(ONE)
    assert both.servers() == [ONE, TWO]


def test_silence_while_it_answers_others_does_not_count(both: Upstreams) -> None:
    """Many that are asked at the same time are given up at the same time, with no answer between
    one and the other."""
    before = both.answers(ONE)
    both.answered(ONE)
    for _ in range(9 * SILENCES):
        both.was_silent(ONE, before)
    assert both.servers() == [ONE, TWO]


def test_other_files_make_it_anew(both: Upstreams, files: tuple[Path, Path]) -> None:
    _silent(both, ONE, SILENCES)
    files[0].write_text(f"nameserver {ONE}\nnameserver {TWO}\noptions rotate\n")
    assert both.servers() == [ONE, TWO]
    files[0].write_text(f"nameserver {TWO}\n")
    assert both.servers() == [TWO]
    both.answered(ONE)
    _silent(both, ONE, SILENCES)
    assert both.servers() == [TWO]
