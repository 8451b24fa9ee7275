"""What is run for a command as it is written."""

from __future__ import annotations

import pytest

from ring.engine.probing.command import Unusable, argv


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("true", ("true",)),
        ("  test -f  /ready\n", ("test", "-f", "/ready")),
        ("echo 'a | b' \"c; d\" e\\&f", ("echo", "a | b", "c; d", "e&f")),
        ('echo \'$HOME\' \\$HOME "\\""', ("echo", "$HOME", "$HOME", '"')),
        ("echo it\\'s", ("echo", "it's")),
        ('grep "it\'s" /f', ("grep", "it's", "/f")),
    ],
)
def test_plain_words_are_run_as_they_are(written: str, words: tuple[str, ...]) -> None:
    assert argv(written) == words


@pytest.mark.parametrize(
    "written",
    [
        "a | b", "a && b", "a; b", "a < f", "a > f", "echo $HOME", "(a)", "ls *", "echo `a`",
        'test "$A" = b', 'echo "`a`"', "a\nb", 'echo "\\$A"', "echo 'x'$A", 'echo "it\'s" | b',
    ],
)  # fmt: skip
def test_shell_syntax_is_for_a_shell(written: str) -> None:
    assert argv(written) == ("/bin/sh", "-c", written)


@pytest.mark.parametrize("written", ["", " \t\n"])
def test_nothing_to_run(written: str) -> None:
    with pytest.raises(Unusable, match=r"^Empty command$"):
        argv(written)


@pytest.mark.parametrize("written", ["echo 'a", 'echo "a | b', "echo a\\"])
def test_what_is_not_closed(written: str) -> None:
    with pytest.raises(Unusable, match=r"^Invalid command syntax: No "):
        argv(written)
