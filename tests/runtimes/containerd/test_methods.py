"""The table of calls against the services that the messages' own files describe."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from ring.runtimes.containerd import api, methods
from ring.runtimes.containerd.methods import Method

FILES = sorted(path.stem for path in Path(api.__path__[0]).glob("*.proto"))
TABLE = {
    method.path: (method.request_type.DESCRIPTOR, method.answer_type.DESCRIPTOR)
    for method in vars(methods).values()
    if isinstance(method, Method)
}


def test_every_method_of_every_service_is_in_the_table_with_its_messages() -> None:
    described = {
        f"/{service.full_name}/{method.name}": (method.input_type, method.output_type)
        for name in FILES
        for service in importlib.import_module(
            f"{api.__name__}.{name}_pb2"
        ).DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert described == TABLE


@pytest.mark.parametrize("name", FILES)
def test_packages_are_containerds(name: str) -> None:
    package = importlib.import_module(f"{api.__name__}.{name}_pb2").DESCRIPTOR.package
    assert package.startswith("containerd.")
