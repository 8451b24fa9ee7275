"""What a start tells of the key that it was given, and what it does not bring along."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ring.clock import SystemClock
from ring.runtimes.fake import FakeRuntime
from ring.security.vault import Vault
from ring.server import PING_S, _probe, _try_key
from ring.settings import load_server_settings
from ring.store.store import Store
from tests.engine.bench import Bench
from tests.engine.observing.test_introducing import Telling
from tests.store.builders import MIRA, done

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_key_that_opens_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = _opened(tmp_path, b"a")
    _try_key(first)
    done(first.create_namespace("shop", MIRA))
    made = done(first.secrets.create("shop", "db", "hunter22", MIRA))
    _try_key(first)
    done(first.close())
    assert caplog.text == ""
    other = _opened(tmp_path, b"b")
    _try_key(other)
    (told,) = caplog.records
    assert told.levelname == "ERROR"
    assert told.message.startswith("RING_SECRET_KEY is not the key")
    assert "secret 'db' in namespace 'shop'" in told.message
    assert "hunter22" not in told.message
    caplog.clear()
    done(other.secrets.replace(made.id, "hunter23", MIRA))
    _try_key(other)
    assert caplog.text == ""
    done(other.close())


def test_who_says_little_within_a_start_is_heard_after_it(tmp_path: Path) -> None:
    settings = load_server_settings(None, None, {"RING_CONFIG_DIR": f"{tmp_path}"})
    bench = Bench()
    runtimes = {
        "docker": Telling(bench.engine, takes_s=PING_S + 1),
        "podman": Telling(bench.engine),
        "other": FakeRuntime(bench.engine),
    }
    assert bench.run(_probe(runtimes, [], settings)) == ("podman", "other")


def test_what_only_an_open_channel_needs_is_not_imported_at_the_start() -> None:
    source = (
        "import sys, ring.server, ring.runtimes.docker.adapter; "
        "print({'h11', 'wsproto'} & sys.modules.keys())"
    )
    argv = [sys.executable, "-c", source]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "set()\n"), ended.stderr


def _opened(home: Path, key: bytes) -> Store:
    return Store.open(home / "ring.db", SystemClock(), vault=Vault(key * 32), inline=True)
