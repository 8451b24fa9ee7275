"""The Python modules of containerd's messages, made from their .proto files.

Only messages are made, no stubs of services: those would be written for one version of grpcio.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

SOURCES = Path(__file__).resolve().parents[2] / "src"
FOLDER = Path("ring/runtimes/containerd/api")
"""Under SOURCES: paths from there are what makes the modules import each other by full names."""
_MADE = ("*_pb2.py", "*_pb2.pyi")


def make(target: Path) -> None:
    """Writes the modules under `target`, in FOLDER. Raises SystemExit."""
    protos = sorted(path.relative_to(SOURCES) for path in (SOURCES / FOLDER).glob("*.proto"))
    includes = resources.files("grpc_tools") / "_proto"
    code = protoc.main(
        [
            "protoc",
            f"-I{SOURCES}",
            f"-I{includes}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            *map(str, protos),
        ]
    )
    if code:
        raise SystemExit(f"protoc failed with {code}")


def stale(made: Path) -> list[str]:
    """The names of the modules that are in the tree otherwise than under `made`."""
    here, there = _contents(SOURCES / FOLDER), _contents(made / FOLDER)
    return sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for glob in _MADE for path in folder.glob(glob)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="protos", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        make(made)
        names = stale(made)
        if check and names:
            raise SystemExit(f"protos: run scripts/protos, these are stale: {', '.join(names)}")
        for name in () if check else names:
            path = made / FOLDER / name
            if path.exists():
                shutil.copyfile(path, SOURCES / FOLDER / name)
            else:
                (SOURCES / FOLDER / name).unlink()


if __name__ == "__main__":
    main()
