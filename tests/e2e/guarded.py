"""A registry that lets nobody in without a password."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.outside import Docker

USER = "puller"
PASSWORD = "hunter2-canary-registry"
_HASH = "$2b$05$6JJdW9P8E78f3yhZC1NDQ.YX0AnnNFoF4W4eZCiJepIClGLB0dZIy"
READY_S = 15.0
ENDED_S = 10.0


class GuardedRegistry:
    """On a port of 127.0.0.1. It is open while images are put in, and guarded from then on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def hold(self, docker: Docker, image: str, name: str) -> str:
        """Puts an image in, and closes the door; its reference there."""
        reference = f"{self.address}/{name}:1"
        self._serve("")
        docker.push(image, reference)
        self.close()
        passwords = self._folder / "htpasswd"
        passwords.write_text(f"{USER}:{_HASH}\n")
        self._serve(f"auth: {{htpasswd: {{realm: tests, path: {passwords}}}}}\n")
        return reference

    def document(self, password: str = PASSWORD) -> str:
        """A Docker config.json with its login."""
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": auth}}})

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(ENDED_S)
            self._process = None

    def _serve(self, auth: str) -> None:
        settings = self._folder / "registry.yml"
        settings.write_text(
            "version: 0.1\n"
            "log: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {self._folder}/images}}}}\n"
            f"http: {{addr: '{self.address}'}}\n{auth}"
        )
        self._process = subprocess.Popen(
            ["docker-registry", "serve", settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, READY_S, "the registry answers")

    def _answers(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
