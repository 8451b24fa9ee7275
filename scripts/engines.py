#!/usr/bin/env python3
"""Private container engines and a registry, for tests, demos and benches.

An engine is a dockerd with its own containerd, data root, exec root, socket and network namespace,
all under one directory: it can be stopped, hung and thrown away without touching one that is in
use. A Podman service can be had beside it, as private. Both are the machine's own programs, or
those of another Debian release. Standard library only; needs root. Every command may be repeated.

    engines.py ensure                                   install the Debian packages that are missing
    engines.py up --dir DIR [--name N]                  start; prints the socket and the namespace
    engines.py up --dir DIR --release trixie            start that release's; Podman will be too
    engines.py image --host unix://DIR/docker.sock      make the test image from busybox-static
    engines.py image --host unix://DIR/docker.sock --containerd DIR/containerd.sock
                                                        have its containerd hold it for Ring as well
    engines.py exec --dir DIR -- CMD…                   run a command inside the namespace
    engines.py registry up --dir DIR [--port 5000]      a registry on 127.0.0.1 in the namespace
    engines.py push --host URL --image TAG --to REF     tag an image and push it there
    engines.py registry down --dir DIR
    engines.py podman up --dir DIR                      Podman's API service; prints its socket
    engines.py podman up --dir DIR --rootless           one of a user without rights beside it
    engines.py podman down --dir DIR                    end both, their containers, and their data
    engines.py down --dir DIR                           end all of it and remove its data
"""

# A command-line tool: it prints, and runs a fixed argument list.
# ruff: noqa: S606, T201

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

sys.path.append(os.fspath(Path(__file__).resolve().parents[1]))  # it is run by its path, too

from scripts.lib import rootless
from scripts.lib.containerd import containerd_up, signal_containerd, start_containerd
from scripts.lib.dockerd import (
    dockerd_down,
    limit_data,
    signal_dockerd,
    start_dockerd,
    stop_dockerd,
    up,
)
from scripts.lib.engine import (
    RELEASE_VARIABLE,
    Engine,
    EngineProblem,
    engine_at,
    release_mounts,
    run,
)
from scripts.lib.images import (
    TEST_IMAGE,
    import_image,
    load_into_containerd,
    make_image,
    make_in_containerd,
    push,
)
from scripts.lib.packages import add_sbin_to_path, busybox, ensure, faketime
from scripts.lib.podman import podman_down, podman_up, start_podman, stop_podman
from scripts.lib.registry import REGISTRY_PORT, registry_down, registry_up

__all__ = [
    "CONTAINERD_NAMESPACE",
    "TEST_IMAGE",
    "Engine",
    "EngineProblem",
    "busybox",
    "containerd_up",
    "down",
    "engine_at",
    "ensure",
    "faketime",
    "import_image",
    "limit_data",
    "load_into_containerd",
    "make_image",
    "make_in_containerd",
    "podman_down",
    "podman_up",
    "push",
    "registry_down",
    "registry_up",
    "signal_containerd",
    "signal_dockerd",
    "start_containerd",
    "start_dockerd",
    "start_podman",
    "stop_dockerd",
    "stop_podman",
    "up",
]


CONTAINERD_NAMESPACE = "ring"
"""Where Ring keeps its own there, when its settings do not say otherwise."""


def down(root: Path) -> None:
    """Ends what `up` started in this directory, and removes its data. Nothing else is touched."""
    engine = engine_at(root)
    registry_down(engine)
    rootless.down(engine)
    podman_down(engine)
    dockerd_down(engine)
    release_mounts(engine.root)
    if engine.network.exists() and (engine.root / "namespace").exists():
        run("ip", "netns", "delete", engine.namespace)
    if engine.root.exists():
        shutil.rmtree(engine.root)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ensure", help="install the Debian packages that are missing")
    start = commands.add_parser("up", help="start a private engine")
    start.add_argument("--name", help="name of the network namespace")
    stop = commands.add_parser("down", help="end it and remove its data")
    inside = commands.add_parser("exec", help="run a command inside its namespace")
    inside.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD")
    image = commands.add_parser("image", help="make the test image")
    image.add_argument("--tag", default=TEST_IMAGE)
    image.add_argument("--containerd", type=Path, help="a containerd that is to hold it as well")
    pushing = commands.add_parser("push", help="tag an image and push it to a registry")
    pushing.add_argument("--image", default=TEST_IMAGE)
    pushing.add_argument("--to", required=True, metavar="HOST:PORT/NAME:TAG")
    registry = commands.add_parser("registry", help="a registry inside the namespace")
    registry.add_argument("verb", choices=["up", "down"])
    registry.add_argument("--port", type=int, default=REGISTRY_PORT)
    podman = commands.add_parser("podman", help="a Podman service in the namespace")
    podman.add_argument("verb", choices=["up", "down"])
    podman.add_argument("--rootless", action="store_true", help="as a user without rights")
    for command in (start, stop, inside, registry, podman):
        command.add_argument("--dir", type=Path, required=True)
    for command in (start, podman):
        command.add_argument("--release", help="a Debian release whose programs it is made of")
    for command in (image, pushing):
        command.add_argument("--host", required=True, metavar="unix://SOCKET")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    add_sbin_to_path()
    try:
        return _perform(arguments)
    except (EngineProblem, OSError) as problem:
        print(f"engines: {problem}", file=sys.stderr)
        return 1


def _perform(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "ensure":
            print("installed:", " ".join(ensure()) or "nothing, all is there")
        case "up":
            engine = up(arguments.dir, arguments.name, arguments.release)
            print(f"host={engine.host}\nnamespace={engine.namespace}")
        case "down":
            down(arguments.dir)
        case "exec":
            command = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
            engine = engine_at(arguments.dir)
            inside = engine.command(*command)
            handed = {RELEASE_VARIABLE: engine.release} if engine.release else {}
            os.execvpe(inside[0], inside, {**os.environ, **handed})
        case "image":
            print(make_image(arguments.host, arguments.tag))
            if arguments.containerd:
                load_into_containerd(
                    arguments.host, arguments.containerd, CONTAINERD_NAMESPACE, arguments.tag
                )
        case "push":
            push(arguments.host, arguments.image, arguments.to)
        case "registry" if arguments.verb == "up":
            print(registry_up(engine_at(arguments.dir), arguments.port))
        case "registry":
            registry_down(engine_at(arguments.dir))
        case "podman":
            _perform_podman(arguments)
    return 0


def _perform_podman(arguments: argparse.Namespace) -> None:
    if arguments.verb == "down":
        rootless.down(engine_at(arguments.dir))
        podman_down(engine_at(arguments.dir))
    elif not arguments.rootless:
        print(podman_up(arguments.dir, release=arguments.release).podman_host)
    elif arguments.release:
        raise EngineProblem("a rootless Podman is the machine's own: leave --release out")
    else:
        print(rootless.host(rootless.up(arguments.dir)))


if __name__ == "__main__":
    sys.exit(main())
