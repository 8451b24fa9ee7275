"""A terminal is as it was, also where a signal ends whoever has changed it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from ring.cli.raw_terminal import raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_changed_is_restored_before_a_signal_ends_it(number: int) -> None:
    program = (
        "import os, sys; from ring.cli.raw_terminal import restored\n"
        "with restored(lambda: os.write(1, b'restored')): os.kill(os.getpid(), int(sys.argv[1]))\n"
        "print('went on')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(number)], capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-number, b"restored", b"")


def test_a_terminal_that_is_gone_is_no_failure() -> None:
    outside, inside = pty.openpty()
    with raw(inside):
        os.close(outside)
    os.close(inside)
