"""`ring init`: the files, what is printed, and what is refused."""

from __future__ import annotations

import base64
import fcntl
import os
import pty
import re
import stat
import subprocess
import sys
import termios
import tomllib
from typing import TYPE_CHECKING

import pytest

from ring.settings import load_server_settings
from ring.settings.secret_key import load_secret_key
from tests.cli.conftest import SOURCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ring

NAMES = ("docker", "podman", "containerd", "cloud-hypervisor", "firecracker")
CHOICES = "containerd, docker, podman, cloud-hypervisor, firecracker, both"


@pytest.fixture
def fresh(anyone: Ring) -> Ring:
    """A user without any file, who has no engine either."""
    anyone.home.rmdir()
    nowhere = f"unix://{anyone.home}/no.sock"
    anyone.environ |= {
        "DOCKER_HOST": nowhere,
        "RING_PODMAN_HOST": nowhere,
        "RING_DATABASE_PATH": str(anyone.home / "ring.db"),
        "PATH": str(anyone.home.parent / "no-programs"),
    }
    return anyone


def key_of(ring: Ring) -> Path:
    return ring.home / "secret-key"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def process(ring: Ring, *arguments: str) -> tuple[int, str, str]:
    """Without a terminal, and in a working directory that is there."""
    done = subprocess.run(
        [sys.executable, "-m", "ring", "init", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={"PYTHONPATH": str(SOURCE), **ring.environ},
        cwd=ring.home.parent,
    )
    return done.returncode, done.stdout, done.stderr


def test_cloud_hypervisor(fresh: Ring) -> None:
    code, out, err = process(fresh, "--runtime", "cloud-hypervisor", "--port", "4030")
    assert (code, err) == (0, "")
    text = fresh.config.read_text()
    assert "\napi.port = 4030\n" in text
    assert "\n[server.runtime.cloud_hypervisor]\nenabled = true\n" in text
    lines = out.splitlines()
    assert lines[0] == f"✓ Wrote {fresh.config}"
    assert lines[1] == f"✓ Wrote {key_of(fresh)} (mode 0600)"
    key = key_of(fresh).read_text().strip()
    order = [
        f'    export RING_SECRET_KEY="{key}"',
        "→ Pre-flight checks (ring doctor):",
        "Server",
        f"  [+] RING_SECRET_KEY: set by {key_of(fresh)}",
        "Cloud Hypervisor",
        "→ Next steps:",
        "    ring server start",
        "    ring login -u admin -p changeme",
    ]
    assert [line for line in lines if line in order] == order
    assert "[-] Firmware" in out
    assert "dependencies are missing" in out
    assert "Docker" not in lines
    assert lines[-1].startswith("    ring user update --password ")


def test_the_defaults_without_a_terminal(fresh: Ring) -> None:
    code, out, err = process(fresh, "--port", "9090")
    assert (code, err) == (0, "")
    assert out.startswith(
        "(non-interactive stdin detected — using runtime: Docker, port: 9090)\n✓ Wrote "
    )
    assert "Cloud Hypervisor" not in out
    text = fresh.config.read_text()
    assert "cloud_hypervisor" not in text
    assert "[server.runtime.docker]\nenabled = true\n" in text
    assert mode(key_of(fresh)) == 0o600
    assert len(base64.b64decode(key_of(fresh).read_text().strip(), validate=True)) == 32
    assert mode(fresh.home) == 0o700
    assert sorted(path.name for path in fresh.home.iterdir()) == ["config.toml", "secret-key"]


@pytest.mark.parametrize("runtime", [*NAMES, "both"])
def test_the_file_names_what_was_chosen_and_nothing_else(fresh: Ring, runtime: str) -> None:
    assert process(fresh, "--runtime", runtime, "--port", "4100")[0] == 0
    text = fresh.config.read_text()
    chosen = ("docker", "cloud-hypervisor") if runtime == "both" else (runtime,)
    for name in NAMES:
        tables = re.findall(rf"^\[server\.runtime\.{name.replace('-', '_')}\]$", text, re.MULTILINE)
        assert len(tables) == (name in chosen)
        if name not in chosen:
            assert name not in text
            assert name.replace("-", "_") not in text
    environ = {"RING_CONFIG_DIR": str(fresh.home)}
    settings = load_server_settings(None, None, environ)
    assert (settings.host, settings.port, settings.warnings) == ("127.0.0.1", 4100, ())
    enabled = [name for name, table in settings.runtimes.items() if table.enabled]
    assert enabled == [name for name in NAMES if name in chosen]
    assert len(load_secret_key(environ).value) == 32
    # what is commented out can be put in as it is
    whole = re.sub(r"^# ", "", text, flags=re.MULTILINE)
    tomllib.loads(whole)
    fresh.config.write_text(whole)
    assert load_server_settings(None, None, environ).warnings == ()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--runtime", "lxc"), CHOICES),
        (("--runtime", "Docker"), CHOICES),
        (("--port", "0"), "--port"),
        (("--port", "65536"), "--port"),
    ],
)
def test_misuse_writes_nothing(fresh: Ring, words: tuple[str, ...], says: str) -> None:
    ended = fresh("init", *words)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert not fresh.home.exists()


@pytest.mark.parametrize("name", ["config.toml", "secret-key"])
def test_what_is_there_is_not_replaced(fresh: Ring, name: str) -> None:
    fresh.home.mkdir()
    (fresh.home / name).write_text("mine")
    ended = fresh("init")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"Error: {fresh.home / name} already exists.\n")
    assert "ring init --force" in ended.err
    assert ("become unreadable" in ended.err) is (name == "secret-key")
    assert [path.name for path in fresh.home.iterdir()] == [name]
    assert (fresh.home / name).read_text() == "mine"


def test_force_keeps_every_old_key(fresh: Ring) -> None:
    keys = []
    for _ in range(3):
        assert process(fresh, "--force")[0] == 0
        keys.append(key_of(fresh).read_text())
        key_of(fresh).chmod(0o644)
    kept = [path for path in fresh.home.iterdir() if path.name.startswith("secret-key.bak-")]
    assert sorted(path.read_text() for path in kept) == sorted(keys[:2])
    assert len(set(keys)) == 3
    assert {mode(path) for path in kept} == {0o600}
    assert all(re.fullmatch(r"secret-key\.bak-\d{8}T\d{6}", path.name) for path in kept)


def test_only_the_config_directory_is_written(fresh: Ring) -> None:
    elsewhere = fresh.home.parent / "elsewhere.toml"
    fresh.environ |= {"RING_CONFIG_FILE": str(elsewhere), "RING_CONTEXT": "plant"}
    code, out, _ = process(fresh, "--runtime", "docker")
    assert code == 0
    assert not elsewhere.exists()
    assert f"[+] config: {fresh.config} (context default)" in out


def test_another_key_in_the_environment_is_pointed_out(fresh: Ring) -> None:
    fresh.environ["RING_SECRET_KEY"] = "A" * 43 + "="
    code, out, err = process(fresh, "--runtime", "docker")
    assert code == 0
    assert f"[+] RING_SECRET_KEY: set by {key_of(fresh)}" in out
    assert err == (
        "Warning: RING_SECRET_KEY is set here, and goes before the new key: unset or change it\n"
    )


def test_a_directory_that_cannot_be_made(fresh: Ring) -> None:
    fresh.home.write_text("a file")
    code, out, err = process(fresh, "--runtime", "docker", "--port", "1")
    assert (code, out) == (1, "")
    assert err == f"error: cannot write {fresh.home}: file exists\n"


def on_a_terminal(ring: Ring, typed: bytes) -> tuple[int, str]:
    """Run with a terminal on standard input; the exit code, and what the streams showed."""
    ours, theirs = pty.openpty()

    def take_the_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    try:
        os.write(ours, typed)
        done = subprocess.run(
            [sys.executable, "-m", "ring", "init"],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            env={"PYTHONPATH": str(SOURCE), **ring.environ},
            cwd=ring.home.parent,
            preexec_fn=take_the_terminal,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout


def test_a_person_is_asked(fresh: Ring) -> None:
    code, shown = on_a_terminal(fresh, b"lxc\nfirecracker\n4040\n")
    assert code == 0
    assert f"'lxc' is not one of {CHOICES}" in shown
    assert "non-interactive" not in shown
    text = fresh.config.read_text()
    assert "[server.runtime.firecracker]" in text
    assert "api.port = 4040\n" in text


def test_who_gives_up_gets_nothing(fresh: Ring) -> None:
    code, shown = on_a_terminal(fresh, b"docker\n\x04")
    assert code == 1
    assert "Aborted: nothing was written" in shown
    assert not fresh.home.exists()
