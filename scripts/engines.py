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
    engines.py exec --dir DIR -- CMD…                   run a command inside the namespace
    engines.py registry up --dir DIR [--port 5000]      a registry on 127.0.0.1 in the namespace
    engines.py push --host URL --image TAG --to REF     tag an image and push it there
    engines.py registry down --dir DIR
    engines.py podman up --dir DIR                      Podman's API service; prints its socket
    engines.py podman up --dir DIR --rootless           one of a user without rights beside it
    engines.py podman down --dir DIR                    end both, their containers, and their data
    engines.py down --dir DIR                           end all of it and remove its data
"""

# A command-line tool: it prints, and runs fixed argument lists.
# ruff: noqa: S603, S606, T201

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import hashlib
import http.client
import importlib
import io
import json
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

TEST_IMAGE = "ring-test/busybox:1"
REGISTRY_PORT = 5000
RELEASE_VARIABLE = "RING_TEST_RELEASE"
"""Of which release a new engine is when nobody says: `exec` hands on that of its own."""
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0

PACKAGES = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "umount": "mount",
    "docker-registry": "docker-registry",
    "nginx": "nginx-light",  # the proxy of the tests and benches of rolling updates
    "zsh": "zsh",  # completions are tested by the shells themselves
    "fish": "fish",
    "nft": "nftables",  # keeps Podman's networks apart
    "podman": "podman",
    "newuidmap": "uidmap",
    "slirp4netns": "slirp4netns",
    "fuse-overlayfs": "fuse-overlayfs",
    "catatonit": "catatonit",  # what `init` is on Podman
}
PODMAN_HELPERS = Path("/usr/lib/podman")
"""Where Debian keeps what Podman alone starts: its packages are named as the programs."""
POLICY = Path("/usr/sbin/policy-rc.d")


class EngineProblem(Exception):
    """The engine could not be brought where it should be."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where the parts of one private engine are."""

    root: Path
    namespace: str
    release: str | None = None
    """The Debian release that its programs are of; None are the machine's own."""

    @property
    def socket(self) -> Path:
        return self.root / "docker.sock"

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def podman(self) -> Path:
        """All that its Podman keeps."""
        return self.root / "podman"

    @property
    def podman_host(self) -> str:
        return f"unix://{self.root}/podman.sock"

    @property
    def network(self) -> Path:
        return Path("/var/run/netns") / self.namespace

    @property
    def containerd_socket(self) -> Path:
        return self.root / "containerd.sock"

    def command(self, *argv: str) -> list[str]:
        """The command line that runs argv inside the engine's network namespace.

        `ip netns exec` would remount /sys and hide the cgroups.
        """
        return ["nsenter", f"--net={self.network}", "--", *argv]


def engine_at(root: Path, name: str | None = None, release: str | None = None) -> Engine:
    """The engine of this directory, running or not."""
    root = root.resolve()
    known = _recorded(root, "namespace")
    if name and known and name != known:
        raise EngineProblem(f"the engine in {root} has the namespace {known}, not {name}")
    programs = _recorded(root, "release")
    if release and known and release != programs:
        raise EngineProblem(f"the engine in {root} is of {programs or 'the machine'}: end it first")
    if not known:
        programs = release or os.environ.get(RELEASE_VARIABLE)
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()
    return Engine(root, name or known or f"ring-{digest[:8]}", programs)


def _recorded(root: Path, what: str) -> str | None:
    file = root / what
    return file.read_text().strip() if file.exists() else None


def _record(engine: Engine) -> None:
    engine.root.mkdir(parents=True, exist_ok=True)
    if engine.release:
        (engine.root / "release").write_text(engine.release)
    (engine.root / "namespace").write_text(engine.namespace)


def ensure() -> list[str]:
    """Installs what is missing; returns the packages installed. No service is started."""
    _add_sbin_to_path()
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    missing += [
        helper for helper in ("netavark", "aardvark-dns") if not (PODMAN_HELPERS / helper).exists()
    ]
    if _static_busybox() is None:
        missing.append("busybox-static")
    if faketime() is None:
        missing.append("libfaketime")
    if not missing:
        return []
    with _services_held_back():
        if not any(Path("/var/lib/apt/lists").glob("*Packages*")) or not _installed(missing):
            _run("apt-get", "update", "-qq")
            if not _installed(missing):
                raise EngineProblem(f"apt-get cannot install {' '.join(missing)}")
    return missing


def _installed(packages: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    argv = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    return subprocess.run(argv, env=environment, stdout=sys.stderr, check=False).returncode == 0


@contextlib.contextmanager
def _services_held_back() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def faketime() -> Path | None:
    """The library that gives a program with threads another clock, if it is there.

    Debian puts it under its architecture's directory; nothing of it is a command.
    """
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _static_busybox() -> Path | None:
    """The busybox that needs no libraries, if there is one."""
    for candidate in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        if candidate.exists() and _is_static(candidate.read_bytes()):
            return candidate
    return None


def _is_static(program: bytes) -> bool:
    """True for a 64-bit ELF file none of whose program headers names an interpreter."""
    (start,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    interpreter = 3  # PT_INTERP
    kinds = [struct.unpack_from("<I", program, start + size * index)[0] for index in range(count)]
    return interpreter not in kinds


def _add_sbin_to_path() -> None:
    entries = os.environ.get("PATH", "").split(os.pathsep)
    missing = [entry for entry in ("/usr/sbin", "/sbin") if entry not in entries]
    os.environ["PATH"] = os.pathsep.join([*entries, *missing])


def up(root: Path, name: str | None = None, release: str | None = None) -> Engine:
    """Starts the engine unless it answers already; returns when it answers."""
    engine = engine_at(root, name, release)
    if len(os.fsencode(engine.containerd_socket)) > 100:
        raise EngineProblem(f"{engine.root} is too long for a Unix socket: use a shorter one")
    _record(engine)
    _make_namespace(engine)
    if engine.release:
        _hold_view(engine, DOCKER_MOUNTS, _docker_mounts(engine))
    if not _alive(engine, "containerd"):
        _start_containerd(engine)
    start_dockerd(engine)
    return engine


def start_dockerd(engine: Engine) -> None:
    """The part that answers, unless it runs already; returns when it answers."""
    if not _alive(engine, "dockerd"):
        _start_dockerd(engine)
    _wait(engine, "dockerd", lambda: _answers(engine.host, "/_ping"))


def stop_dockerd(engine: Engine) -> None:
    """Ends it in an orderly way, and with it the containers; their containerd goes on."""
    _end(engine, "dockerd")


def signal_dockerd(engine: Engine, number: signal.Signals) -> None:
    """Kills, stops or continues it. Returns when one that was killed is gone."""
    pid = _pid(engine, "dockerd")
    if pid is None:
        raise EngineProblem(f"no dockerd runs in {engine.root}")
    os.kill(pid, number)
    if number is signal.SIGKILL and not _until(lambda: not _alive(engine, "dockerd")):
        raise EngineProblem(f"the dockerd in {engine.root} cannot be killed")


def limit_data(root: Path, mib: int) -> None:
    """Before `up`: the engine's data has so much room, in memory, until `down`."""
    data = root.resolve() / "data"
    data.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", os.fspath(data))


def down(root: Path) -> None:
    """Ends what `up` started in this directory, and removes its data. Nothing else is touched."""
    engine = engine_at(root)
    registry_down(engine)
    _part("rootless").down(engine)
    podman_down(engine)
    _end(engine, "dockerd")
    _end(engine, "containerd")
    _end_shims(engine)
    if _alive(engine, DOCKER_MOUNTS):
        _end_all_that_sees(_mounts_of(_holder(engine, DOCKER_MOUNTS)))
    _release_mounts(engine.root)
    if engine.network.exists() and (engine.root / "namespace").exists():
        _run("ip", "netns", "delete", engine.namespace)
    if engine.root.exists():
        shutil.rmtree(engine.root)


def _make_namespace(engine: Engine) -> None:
    if not engine.network.exists():
        _run("ip", "netns", "add", engine.namespace)
    _run(*engine.command("ip", "link", "set", "lo", "up"))


def _start_containerd(engine: Engine) -> None:
    """One of our own: dockerd would use the machine's where it finds one."""
    settings = engine.root / "containerd.toml"
    settings.write_text(
        "version = 2\n"
        f'root = "{engine.root}/containerd"\n'
        f'state = "{engine.root}/containerd-state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{engine.containerd_socket}"\n'
        f'[ttrpc]\naddress = "{engine.containerd_socket}.ttrpc"\n'
    )
    engine.containerd_socket.unlink(missing_ok=True)
    argv = ["containerd", "--config", os.fspath(settings)]
    _spawn(engine, "containerd", _docker_view(engine, argv))
    _wait(engine, "containerd", lambda: _accepts(engine.containerd_socket))


def _start_dockerd(engine: Engine) -> None:
    settings = engine.root / "daemon.json"
    # What a registry does is seen at once: by itself the engine would try five times, in a minute.
    settings.write_text('{"max-download-attempts": 1}\n')
    (engine.root / "docker.pid").unlink(missing_ok=True)
    argv = [
        "dockerd",
        f"--config-file={settings}",
        f"--host={engine.host}",
        f"--data-root={engine.root}/data",
        f"--exec-root={engine.root}/exec",
        f"--pidfile={engine.root}/docker.pid",
        f"--containerd={engine.containerd_socket}",
        "--bridge=none",
        "--shutdown-timeout=5",
    ]
    _spawn(engine, "dockerd", _docker_view(engine, argv))


DOCKER_MOUNTS = "docker-mounts"
"""A process that keeps the view of the file system that an engine of another release has."""


def _docker_mounts(engine: Engine) -> list[str]:
    script = f'set -e; {_see_programs(engine)}exec tail -f "$0"'
    folder = os.fspath(engine.root / "namespace")
    return ["unshare", "--mount", "--propagation=slave", "sh", "-c", script, folder]


def _docker_view(engine: Engine, argv: list[str]) -> list[str]:
    """The command that runs argv where the engine's own programs are seen."""
    if engine.release is None:
        return argv
    return ["nsenter", f"--mount=/proc/{_holder(engine, DOCKER_MOUNTS)}/ns/mnt", "--", *argv]


def _see_programs(engine: Engine) -> str:
    """The piece of a shell script that puts the release's programs in place of the machine's."""
    if engine.release is None:
        return ""
    releases = _part("releases")
    if shutil.which("mmdebstrap") is None and not _installed(["mmdebstrap"]):
        raise EngineProblem("apt-get cannot install mmdebstrap")
    try:
        programs = releases.programs(engine.release)
    except releases.ReleaseProblem as problem:
        raise EngineProblem(str(problem)) from problem
    return f"mount --bind {shlex.quote(os.fspath(programs))} /usr; "


def _part(name: str) -> ModuleType:
    """A part in scripts/lib that most engines do without; it is found from wherever this is run."""
    project = os.fspath(Path(__file__).resolve().parents[1])
    if project not in sys.path:
        sys.path.append(project)
    # Run by itself this is no part of a package: one that imports it is to find this one.
    sys.modules.setdefault("scripts.engines", sys.modules[__name__])
    return importlib.import_module(f"scripts.lib.{name}")


def podman_up(root: Path, name: str | None = None, release: str | None = None) -> Engine:
    """Starts Podman's API service there unless it answers already; returns when it answers."""
    engine = engine_at(root, name, release)
    (engine.podman / "run").mkdir(parents=True, exist_ok=True)
    _record(engine)
    _make_namespace(engine)
    for file, content in _podman_settings(engine).items():
        (engine.podman / file).write_text(content)
    _hold_view(engine, PODMAN_MOUNTS, _podman_mounts(engine))
    start_podman(engine)
    return engine


def start_podman(engine: Engine) -> None:
    """The service, unless it runs already; returns when it answers."""
    if not _alive(engine, "podman"):
        Path(engine.podman_host.removeprefix("unix://")).unlink(missing_ok=True)
        _spawn(
            engine, "podman", _podman(engine, "system", "service", "--time=0", engine.podman_host)
        )
    _wait(engine, "podman", lambda: _answers(engine.podman_host, "/_ping"))


def stop_podman(engine: Engine) -> None:
    """Ends the service; the containers run on without it."""
    _end(engine, "podman")


def podman_down(engine: Engine) -> None:
    """Ends the service and its containers, and removes its data. Nothing else is touched."""
    if not engine.podman.exists():
        return
    _end(engine, "podman")
    if _alive(engine, PODMAN_MOUNTS):
        remove = _podman(engine, "rm", "--all", "--force", "--time=0", "--volumes")
        # What Podman itself cannot end is ended as what a killed engine leaves.
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                engine.command(*remove), capture_output=True, check=False, timeout=READY_TIMEOUT_S
            )
        _end_all_that_sees(_mounts_of(_holder(engine, PODMAN_MOUNTS)))
    (engine.root / f"{PODMAN_MOUNTS}.process").unlink(missing_ok=True)
    _release_mounts(engine.podman)
    shutil.rmtree(engine.podman)


PODMAN_MOUNTS = "podman-mounts"
"""A process that does nothing but keep the view of the file system that Podman has."""


WITHOUT_PACKAGES = "[ ! -e /usr/bin/dpkg ] || mount --bind /bin/false /usr/bin/dpkg"
"""Podman asks the package manager whenever it is asked for its version, which takes seconds where
many tests run beside each other."""


def _podman_mounts(engine: Engine) -> list[str]:
    """What Podman keeps at fixed places is in the engine's directory, for Podman alone.

    Among it are the name servers of its networks; its locks are in shared memory. What is mounted
    there is gone with the last process that sees it.
    """
    script = (
        f"set -e; {WITHOUT_PACKAGES}; "
        'mkdir -p /run/containers; mount --bind "$0/run" /run/containers; '
        f'mount -t tmpfs tmpfs /dev/shm; {_see_programs(engine)}exec tail -f "$0/containers.conf"'
    )
    folder = os.fspath(engine.podman)
    return ["unshare", "--mount", "--propagation=slave", "sh", "-c", script, folder]


def _hold_view(engine: Engine, part: str, argv: list[str]) -> None:
    """Starts a process that keeps a view of the file system; returns when the view is made."""
    if not _alive(engine, part):
        _spawn(engine, part, argv)
        _wait(engine, part, lambda: _command_line(_holder(engine, part))[:1] == ["tail"])


def _holder(engine: Engine, part: str) -> int:
    pid = _pid(engine, part)
    if pid is None:
        raise EngineProblem(f"no {part.partition('-')[0]} was started in {engine.root}")
    return pid


def _mounts_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino
    except OSError:
        return 0


def _end_all_that_sees(mounts: int) -> None:
    """Every process with this view of the file system, and all below them."""
    family = [pid for pid in _processes() if _mounts_of(pid) == mounts]
    for pid in [*(below for one in family for below in _descendants(one)), *family]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _until(functools.partial(_all_gone, family))


def _podman(engine: Engine, *argv: str) -> list[str]:
    """A Podman command in its own view, with none of the machine's settings.

    Where its files are is in the environment: the processes that it leaves behind hand that on.
    """
    folder = engine.podman
    return [
        "nsenter",
        f"--mount=/proc/{_holder(engine, PODMAN_MOUNTS)}/ns/mnt",
        "--",
        "env",
        f"CONTAINERS_CONF={folder}/containers.conf",
        f"CONTAINERS_STORAGE_CONF={folder}/storage.conf",
        f"CONTAINERS_REGISTRIES_CONF={folder}/registries.conf",
        "podman",
        f"--root={folder}/storage",
        "--runroot=/run/containers/storage",
        "--tmpdir=/run/containers/state",
        f"--network-config-dir={folder}/networks",
        *argv,
    ]


def _podman_settings(engine: Engine) -> dict[str, str]:
    """Its files by name. What its defaults ask of the kernel is refused on small machines."""
    files, processes = (
        min(most, resource.getrlimit(kind)[1]) if resource.getrlimit(kind)[1] > 0 else most
        for kind, most in ((resource.RLIMIT_NOFILE, 20000), (resource.RLIMIT_NPROC, 10000))
    )
    folder = engine.podman
    return {
        "containers.conf": (
            "[containers]\n"
            f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
            "[engine]\n"
            'runtime = "runc"\n'
            'cgroup_manager = "cgroupfs"\n'
            'events_logger = "file"\n'
            "[network]\n"
            'network_backend = "netavark"\n'
        ),
        "storage.conf": (
            "[storage]\n"
            'driver = "overlay"\n'
            f'graphroot = "{folder}/storage"\n'
            'runroot = "/run/containers/storage"\n'
        ),
        # As Docker has it: what this machine serves needs no certificate. Any port is meant.
        "registries.conf": "".join(
            f'[[registry]]\nlocation = "{host}"\ninsecure = true\n'
            for host in ("127.0.0.1", "localhost")
        ),
    }


def _end_shims(engine: Engine) -> None:
    """What an engine that was killed left: its shims, the containers below them, their cgroups."""
    address = os.fspath(engine.containerd_socket)
    for shim in _processes():
        argv = _command_line(shim)
        if not (argv and Path(argv[0]).name.startswith("containerd-shim") and address in argv):
            continue
        family = [*_descendants(shim), shim]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _until(functools.partial(_all_gone, family))
        _until(functools.partial(_remove_cgroups, argv[argv.index("-id") + 1]))


def _remove_cgroups(container_id: str) -> bool:
    """False while the kernel is still busy with a process that has just ended."""
    for folder in Path("/sys/fs/cgroup").glob(f"*/docker/{container_id}"):
        try:
            folder.rmdir()
        except OSError:
            return False
    return True


def _all_gone(pids: list[int]) -> bool:
    return not any(_command_line(pid) for pid in pids)


def _until(is_done: Callable[[], bool]) -> bool:
    """Waits at most STOP_TIMEOUT_S; False when it was not done by then."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while not (done := is_done()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return done


def _release_mounts(root: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([_unescaped(point) for point in points]):
        if Path(point).is_relative_to(root):
            _run("umount", "--lazy", point)


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)


def registry_up(engine: Engine, port: int = REGISTRY_PORT) -> str:
    """A registry without authentication on 127.0.0.1:port of the namespace. Returns its address."""
    settings = engine.root / "registry.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {engine.root}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    if not _alive(engine, "registry"):
        _spawn(engine, "registry", ["docker-registry", "serve", os.fspath(settings)])
    probe = engine.command(sys.executable, "-c", _CONNECT, str(port))
    _wait(engine, "registry", lambda: subprocess.run(probe, check=False).returncode == 0)
    return f"127.0.0.1:{port}"


_CONNECT = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
except OSError:
    sys.exit(1)
"""


def registry_down(engine: Engine) -> None:
    """Ends the registry; what it stores stays until `down`."""
    _end(engine, "registry")


def make_image(host: str, tag: str = TEST_IMAGE) -> str:
    """The test image: busybox with every applet, `sh` as its command. Returns its id."""
    found = _request(host, "GET", f"/images/{tag}/json")
    if found.status == 200:
        return str(json.loads(found.body)["Id"])
    return import_image(host, tag, _image_tar(busybox()), 'CMD ["sh"]')


def import_image(host: str, tag: str, content: bytes, change: str = "") -> str:
    """An image of one layer, from a tar; `change` is a line of a Dockerfile. Returns its id."""
    query = {"fromSrc": "-", "repo": tag}
    if change:
        query["changes"] = change
    target = f"/images/create?{urllib.parse.urlencode(query)}"
    _finish_stream(_request(host, "POST", target, content))
    return str(json.loads(_request(host, "GET", f"/images/{tag}/json").body)["Id"])


def busybox() -> Path:
    """The busybox that needs no libraries. Raises EngineProblem."""
    found = _static_busybox()
    if found is None:
        raise EngineProblem("busybox-static is not installed: run `engines.py ensure`")
    return found


def push(host: str, image: str, target: str) -> None:
    """Tags a local image as target (`127.0.0.1:5000/name:tag`) and pushes it there."""
    repository, _, version = target.rpartition(":")
    query = urllib.parse.urlencode({"repo": repository, "tag": version})
    tagged = _request(host, "POST", f"/images/{image}/tag?{query}")
    if tagged.status != 201:
        raise EngineProblem(f"cannot tag {image} as {target}: {tagged.body.decode()}")
    _finish_stream(_request(host, "POST", f"/images/{repository}/push?tag={version}"))


def _image_tar(program: Path) -> bytes:
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777}.items():
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        _add_file(tar, "bin/busybox", program.read_bytes(), 0o755)
        _add_file(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add_file(tar, "etc/group", b"root:x:0:\n", 0o644)
        for applet in applets.stdout.split():
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return buffer.getvalue()


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _request(
    host: str, method: str, path: str, body: bytes | None = None, timeout_s: float = 60.0
) -> Answer:
    scheme, _, rest = host.partition("://")
    connection = (
        _UnixConnection(rest, timeout_s)
        if scheme == "unix"
        else http.client.HTTPConnection(rest, timeout=timeout_s)
    )
    headers = {"Content-Type": "application/x-tar", "X-Registry-Auth": _NO_CREDENTIALS}
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read())


_NO_CREDENTIALS = base64.urlsafe_b64encode(b"{}").decode()


def _finish_stream(answer: Answer) -> None:
    """A create or push answers 200 and tells its failure in the stream."""
    if answer.status != 200:
        raise EngineProblem(answer.body.decode(errors="replace"))
    for line in answer.body.splitlines():
        if line.strip() and (problem := json.loads(line).get("error")):
            raise EngineProblem(problem)


def _answers(host: str, path: str) -> bool:
    try:
        return _request(host, "GET", path, timeout_s=2.0).status == 200
    except (OSError, http.client.HTTPException):
        return False


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _spawn(engine: Engine, part: str, argv: list[str]) -> None:
    """Starts a part in the namespace. nsenter replaces itself: the process id is the part's."""
    log = os.fspath(engine.root / f"{part}.log")
    command = engine.command(*argv)
    pid = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    (engine.root / f"{part}.process").write_text(str(pid))


def _wait(engine: Engine, part: str, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_ready():
        if time.monotonic() > deadline or not _alive(engine, part):
            log = (engine.root / f"{part}.log").read_text(errors="replace").splitlines()
            raise EngineProblem("\n".join([f"{part} is not ready; its log ends:", *log[-10:]]))
        time.sleep(0.1)


def _pid(engine: Engine, part: str) -> int | None:
    """The process of this part, if it is still the one that was started here."""
    try:
        pid = int((engine.root / f"{part}.process").read_text())
    except (FileNotFoundError, ValueError):
        return None
    argv = _command_line(pid)
    deadline = time.monotonic() + 1.0
    while not argv and not _is_dead(pid) and time.monotonic() < deadline:
        time.sleep(0.01)  # a process that just executes another program has none for a moment
        argv = _command_line(pid)
    return pid if any(f"{engine.root}/" in word for word in argv) else None


def _alive(engine: Engine, part: str) -> bool:
    return _pid(engine, part) is not None


def _end(engine: Engine, part: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = _pid(engine, part)
        if pid is None:
            break
        os.kill(pid, number)
        _until(lambda: _pid(engine, part) is None)
    (engine.root / f"{part}.process").unlink(missing_ok=True)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_dead(pid: int) -> bool:
    """The state follows the name, which may hold anything but ends at the last bracket: proc(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def _command_line(pid: int) -> list[str]:
    """Empty for a process that is gone, or dead and not yet reaped."""
    try:
        content = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [os.fsdecode(word) for word in content.split(b"\0") if word]


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [found for child in children for found in (*_descendants(int(child)), int(child))]


def _run(*argv: str) -> None:
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise EngineProblem(f"{' '.join(argv)}: {result.stderr.strip()}")


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
    _add_sbin_to_path()
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
    rootless = _part("rootless")
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
