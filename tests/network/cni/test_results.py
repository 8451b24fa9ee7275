from __future__ import annotations

from typing import TYPE_CHECKING

from ring.network.cni.results import Record, Results

if TYPE_CHECKING:
    from pathlib import Path

RECORD = Record(
    container_id="shop_web_1",
    server_id="one",
    network="ring_shop",
    config={"name": "ring_shop", "plugins": []},
    result={"ips": [{"address": "10.46.0.2/24"}]},
    links={"rbr-1": 4},
    names=("web", "shop_web_1"),
)


def test_one_is_kept_until_it_is_removed(tmp_path: Path) -> None:
    results = Results(tmp_path / "cni" / "results")
    assert results.all() == []
    results.write(RECORD)
    assert results.read("shop_web_1") == RECORD
    assert Results(tmp_path / "cni" / "results").all() == [RECORD]
    results.remove("shop_web_1")
    results.remove("shop_web_1")
    assert results.read("shop_web_1") is None


def test_one_that_is_damaged_is_none(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.write(RECORD)
    for text in ("", "[]", "{}", '{"names": [], "colour": 1}'):
        (tmp_path / "shop_web_2.json").write_text(text)
        assert results.read("shop_web_2") is None
    assert results.all() == [RECORD]
