"""The programs of another Debian release than the machine's, for engines of another generation.

What is made is a whole small system of that release. An engine sees its `/usr` in place of the
machine's and everything else as it is, so that a path means the same to it and to whoever asks.
Standard library only, as `engines`; needs root.
"""

# It runs a fixed argument list.
# ruff: noqa: S603

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.engine import EngineProblem
from scripts.lib.packages import install

if TYPE_CHECKING:
    from scripts.lib.engine import Engine

CACHE = Path("/var/cache/ring-engines")
"""A system for each release, and choice of packages, stays here: about 500 MB of one, which may be
removed at any time that no engine is of it."""
PACKAGES = (
    "docker.io",
    "containerd",
    "runc",
    "podman",
    "netavark",
    "aardvark-dns",
    "crun",
    "conmon",
    "apparmor",
    "catatonit",
    "fuse-overlayfs",
    "iproute2",
    "iptables",
    "kmod",
    "nftables",
    "nginx-light",  # binds of /usr show instances this system
    "passt",
    "procps",
    "slirp4netns",
    "uidmap",
)


def see_programs(engine: Engine) -> str:
    """The piece of a shell script that puts the release's programs in place of the machine's."""
    if engine.release is None:
        return ""
    if shutil.which("mmdebstrap") is None and not install(["mmdebstrap"]):
        raise EngineProblem("apt-get cannot install mmdebstrap")
    return f"mount --bind {shlex.quote(os.fspath(programs(engine.release)))} /usr; "


def programs(release: str) -> Path:
    """The `/usr` of the release. Makes it the first time: some minutes, from the machine's mirror.

    Raises EngineProblem.
    """
    if re.fullmatch("[a-z]+", release) is None:
        raise EngineProblem(f"{release!r} is no name of a Debian release, such as trixie")
    CACHE.mkdir(parents=True, exist_ok=True)
    made = CACHE / f"{release}-{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:8]}"
    with (CACHE / f"{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(release, made)
    return made / "usr"


def _make(release: str, target: Path) -> None:
    """All of it or nothing: one that is interrupted is begun anew."""
    work = Path(tempfile.mkdtemp(prefix=f"{release}.", dir=target.parent))
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--dpkgopt=force-unsafe-io",
        f"--include={','.join(PACKAGES)}",
        release,
        os.fspath(work),
        _mirror(),
    ]
    try:
        made = subprocess.run(argv, stdout=sys.stderr, check=False)
        if made.returncode != 0:
            raise EngineProblem(f"mmdebstrap cannot make {release}: see what it said above")
        work.chmod(0o755)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _mirror() -> str:
    """Where this machine has its own release from: the first source of its main component."""
    argv = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(REPO_URI)"]
    told = subprocess.run(
        [*argv, "Created-By: Packages"], capture_output=True, text=True, check=False
    )
    for line in told.stdout.splitlines():
        origin, component, address = line.split(" ", 2)
        if (origin, component) == ("Debian", "main"):
            return address
    raise EngineProblem("apt knows no source of Debian's: run `apt-get update`")
