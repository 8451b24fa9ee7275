"""Which file is read, and which context of it is picked."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ring.core.errors import HostError, UserError
from ring.settings import Context, config_dir, load_context

A_AND_B = """
[contexts.default]
current = false
host = "10.0.0.1"
api.scheme = "http"
api.port = 3030
user.salt = "leftover"
scheduler.interval = 3

[contexts.b]
current = true
host = "ring.example"
api = { scheme = "https", port = 443, cors_origins = ["https://ops.example"] }

[contexts.c]
host = "::1"
[contexts.c.api]
scheme = "http"
port = 4100
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def load(file: Path, name: str | None = None, **environ: str) -> Context:
    return load_context(None, name, {"RING_CONFIG_DIR": str(file.parent), **environ})


def message(file: Path, name: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load(file, name)
    return caught.value.message


def test_without_a_file_the_built_in_context(file: Path) -> None:
    context = load(file)
    assert context == Context("default", "http", "127.0.0.1", 3030, ())
    assert context.base_url == "http://127.0.0.1:3030"
    assert load(file, "default") == context


def test_a_file_for_the_server_alone_keeps_the_built_in_context(file: Path) -> None:
    file.write_text("[server.runtime.docker]\nenabled = true\n")
    assert load(file) == Context("default")


def test_the_current_one_is_picked(file: Path) -> None:
    file.write_text(A_AND_B)
    assert load(file) == Context("b", "https", "ring.example", 443, ("https://ops.example",))


def test_a_named_one_is_picked(file: Path) -> None:
    file.write_text(A_AND_B)
    assert load(file, "default").host == "10.0.0.1"
    assert load(file, RING_CONTEXT="c").base_url == "http://[::1]:4100"
    assert load(file, "default", RING_CONTEXT="c").name == "default"
    assert load(file, RING_CONTEXT="").name == "b"


def test_default_then_the_only_one(file: Path) -> None:
    file.write_text(A_AND_B.replace("current = true", ""))
    assert load(file).name == "default"
    file.write_text('[contexts.lab]\nhost = "lab"\napi.scheme = "http"\napi.port = 1\n')
    assert load(file).name == "lab"


def test_none_to_pick(file: Path) -> None:
    table = 'host = "x"\napi.scheme = "http"\napi.port = 1\n'
    file.write_text(f"[contexts.x]\n{table}[contexts.y]\n{table}")
    assert "(available: x, y)" in message(file)


def test_two_current_ones_are_the_first_and_a_warning(file: Path) -> None:
    file.write_text(A_AND_B.replace("current = false", "current = true"))
    context = load(file)
    assert context.name == "default"
    (warning,) = context.warnings
    assert "default, b" in warning


def test_an_unknown_name_lists_the_known(file: Path) -> None:
    file.write_text(A_AND_B)
    assert message(file, "x") == f"context 'x' not found in {file} (available: default, b, c)"
    file.unlink()
    assert message(file, "x") == f"context 'x' not found in {file} (available: default)"


def test_a_named_file(tmp_path: Path, file: Path) -> None:
    file.write_text(A_AND_B)
    other = tmp_path / "other.toml"
    other.write_text('[contexts.o]\nhost = "o"\napi.scheme = "http"\napi.port = 1\n')
    assert load(file, RING_CONFIG_FILE=str(other)).name == "o"
    environ = {"RING_CONFIG_DIR": str(tmp_path), "RING_CONFIG_FILE": "/missing"}
    assert load_context(other, None, environ).name == "o"
    for config in (None, Path("/missing")):
        with pytest.raises(UserError) as caught:
            load_context(config, None, environ)
        assert caught.value.message == (
            "config file '/missing' does not exist (set via --config or RING_CONFIG_FILE)"
        )


def test_config_dir() -> None:
    assert config_dir({"RING_CONFIG_DIR": "/r", "HOME": "/h"}) == Path("/r")
    assert config_dir({"HOME": "/h"}) == Path("/h/.config/ring")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1\nb = = 2", "line 2"),
        ("contexts = 1", "contexts must be a table, got 1"),
        ("[contexts]\nx = 1", "contexts.x must be a table, got 1"),
        ("[contexts.x]\ncurrent = 1", "contexts.x.current must be true or false, got 1"),
        ("[contexts.x]", "contexts.x.api.scheme is required"),
        (
            "[contexts.x]\napi = {scheme = 'ftp'}",
            "contexts.x.api.scheme must be 'http' or 'https', got 'ftp'",
        ),
        ("[contexts.x]\napi = {scheme = 'http', port = 1}", "contexts.x.host is required"),
        ("[contexts.x]\nhost = 'h'\napi = {scheme = 'http'}", "contexts.x.api.port is required"),
        *(
            (
                f"[contexts.x]\nhost = 'h'\napi = {{scheme = 'http', port = {port}}}",
                "contexts.x.api.port must be an integer from 1 to 65535",
            )
            for port in ("0", "65536", "true", "'80'", "80.5")
        ),
        (
            "[contexts.x]\nhost = 'h'\napi = {scheme = 'http', port = 1, cors_origins = 'x'}",
            "contexts.x.api.cors_origins must be a list of strings",
        ),
    ],
)
def test_what_cannot_be_read_names_file_and_key(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    complaint = message(file)
    assert complaint.startswith(f"cannot parse {file}: ")
    assert says in complaint


def test_a_file_without_end_is_not_read_to_it(file: Path) -> None:
    file.symlink_to("/dev/zero")
    with pytest.raises(HostError, match="it is larger than 1048576 bytes"):
        load(file)


def test_a_pipe_is_waited_for_only_where_it_was_named(file: Path) -> None:
    os.mkfifo(file)
    environ = {"RING_CONFIG_DIR": str(file.parent)}
    assert file.name == "config.toml"
    with pytest.raises(HostError, match="it is a pipe, not a file"):
        load_context(None, None, environ)
    writer = threading.Thread(target=file.write_text, args=(A_AND_B,), daemon=True)
    writer.start()
    assert load_context(file, None, environ).name == "b"
    writer.join()


def test_what_is_no_text(file: Path) -> None:
    file.write_bytes(b"a = '\xff'")
    assert message(file) == f"cannot parse {file}: not UTF-8 at byte 5"
    file.unlink()
    file.mkdir()
    with pytest.raises(HostError, match="is a directory"):
        load(file)
