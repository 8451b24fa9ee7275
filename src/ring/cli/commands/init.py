"""`ring init`: a config file and a key for a new server, and what this machine still lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.failures import CommandFailed
from ring.cli.options import WholeNumber, Words
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN, YELLOW, is_interactive
from ring.cli.tree import RingCommand
from ring.settings import config_dir

if TYPE_CHECKING:
    from pathlib import Path

_LABELS = {
    "containerd": "containerd",
    "docker": "Docker",
    "podman": "Podman",
    "cloud-hypervisor": "Cloud Hypervisor",
    "firecracker": "Firecracker (experimental)",
    "both": "Both",
}
_BOTH = ("docker", "cloud-hypervisor")
_DEFAULT_RUNTIME = "docker"
_DEFAULT_PORT = 3030
_RULE = "-" * 72


def _known(value: str) -> str:
    if value not in _LABELS:
        raise click.BadParameter(f"{value!r} is not one of {', '.join(_LABELS)}")
    return value


def _check_runtime(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    return None if value is None else _known(value)


_PORT = WholeNumber(1, 65535)


@click.command("init", cls=RingCommand)
@click.option(
    "--runtime",
    type=Words(_LABELS),
    metavar="NAME",
    callback=_check_runtime,
    help=f"One of {', '.join(_LABELS)}.",
)
@click.option("--port", type=_PORT, metavar="PORT", help="Port of the API (default: 3030).")
@click.option("--force", is_flag=True, help="Replace config file and key; the old key is kept.")
def init(runtime: str | None, port: int | None, *, force: bool) -> None:
    """Write a first config file and a key, and check this machine.

    What is not given is asked for on a terminal, and otherwise taken from the defaults: docker, on
    port 3030. The files go to the config directory.
    """
    session = current()
    directory = config_dir(session.environ)
    config, key = directory / "config.toml", directory / "secret-key"
    if not force:
        _refuse_existing(config, key)
    runtime, port = _settings(session, runtime, port)
    text = _write(directory, config, key, _BOTH if runtime == "both" else (runtime,), port)
    session.print(f"✓ Wrote {config}", GREEN)
    session.print(f"✓ Wrote {key} (mode 0600)", GREEN)
    _show_key(session, key, text)
    _preflight(session, config)
    session.print(
        "→ Next steps:\n"
        "    ring server start\n"
        "    ring login -u admin -p changeme\n"
        "    ring user update --password <a password of your own>"
    )


def _refuse_existing(config: Path, key: Path) -> None:
    """Before anybody is asked anything."""
    if config.exists():
        raise CommandFailed(
            f"Error: {config} already exists.\nTo replace it and the key: ring init --force"
        )
    if key.exists():
        raise CommandFailed(
            f"Error: {key} already exists.\nTo replace it: ring init --force. Secrets that are "
            "stored already become unreadable with another key."
        )


def _settings(session: Session, runtime: str | None, port: int | None) -> tuple[str, int]:
    if runtime is not None and port is not None:
        return runtime, port
    if is_interactive():
        return _asked(runtime, port)
    runtime, port = runtime or _DEFAULT_RUNTIME, port or _DEFAULT_PORT
    label = _LABELS[runtime]
    session.print(
        f"(non-interactive stdin detected — using runtime: {label}, port: {port})", YELLOW
    )
    return runtime, port


def _asked(runtime: str | None, port: int | None) -> tuple[str, int]:
    try:
        if runtime is None:
            words = f"Runtime ({', '.join(_LABELS)})"
            runtime = str(click.prompt(words, _DEFAULT_RUNTIME, value_proc=_known, err=True))
        if port is None:
            port = int(click.prompt("Port of the API", _DEFAULT_PORT, type=_PORT, err=True))
    except click.Abort as error:
        raise CommandFailed("Aborted: nothing was written") from error
    return runtime, port


def _write(directory: Path, config: Path, key: Path, runtimes: tuple[str, ...], port: int) -> str:
    """Both files; the key's text."""
    import base64
    import secrets

    from ring.cli.first_files import config_text, keep_old, make_directory, write
    from ring.settings.secret_key import KEY_BYTES

    text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    make_directory(directory)
    keep_old(key)
    write(key, f"{text}\n", 0o600)
    write(config, config_text(runtimes, port), 0o644)
    return text


def _show_key(session: Session, key: Path, text: str) -> None:
    session.print(
        f"\n{_RULE}\n"
        "The server needs this key to encrypt secrets:\n\n"
        f'    export RING_SECRET_KEY="{text}"\n\n'
        f"When no variable is set it reads the copy in {key} by itself.\n"
        "Keep the key safe: stored secrets are lost with it.\n"
        f"{_RULE}\n"
    )


def _preflight(session: Session, config: Path) -> None:
    """Doctor's lines for the new files, whatever the environment says about others."""
    from ring.cli.commands.doctor import checked

    others = ("RING_SECRET_KEY", "RING_SECRET_KEY_FILE", "RING_CONTEXT")
    environ = {name: value for name, value in session.environ.items() if name not in others}
    session.print("→ Pre-flight checks (ring doctor):\n")
    if not checked(session, config, None, environ):
        session.print(
            "Some dependencies are missing: see the lines with [-], then re-run `ring doctor`.\n",
            YELLOW,
        )
    for name in others[:2]:
        if session.environ.get(name, "").strip():
            session.warn(f"{name} is set here, and goes before the new key: unset or change it")
