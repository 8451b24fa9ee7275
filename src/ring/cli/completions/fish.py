"""The script for fish: tables of the tree, and one function that walks the words typed so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ring.cli.completions.tree import Place

_WALK = r"""
function __ring_offer # OFFER CURRENT
    switch $argv[1]
        case '=*'
            string split -n ' ' -- (string sub -s 2 -- $argv[1])
        case '@*'
            set -q __ring_namespace[1]; and set -a __ring_passed --namespace $__ring_namespace[-1]
            set -l kind (string sub -s 2 -- $argv[1])
            command ring _complete $kind "$argv[2]" $__ring_passed 2>/dev/null
        case file
            __fish_complete_path "$argv[2]"
    end
end

function __ring_keep # PATH OPTION VALUE: what names are asked with
    switch "$argv[1]$argv[2]"
        case '*--context' '*--config'
            set -a __ring_passed $argv[2] "$argv[3]"
        case -c
            set -a __ring_passed --context "$argv[3]"
        case '*-n' '*--namespace'
            set -a __ring_namespace "$argv[3]"
    end
end

function __ring_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -g __ring_passed
    set -g __ring_namespace
    set -l path ''
    set -l option ''
    set -l plain ''
    set -l seen 0
    __ring_place ''
    for word in $typed[2..]
        if test -n "$option"
            __ring_keep "$path" "$option" "$word"
            set option ''
        else if test -z "$plain" -a "x$word" = x--
            set plain 1
        else if test -z "$plain"; and string match -q -- '--*=*' "$word"
            __ring_keep "$path" (string split -m 1 -- = "$word")
        else if test -z "$plain"; and string match -q -- '-?*' "$word"
            __ring_value "$path $word"; and set option "$word"
        else if contains -- "$word" $__ring_commands
            set path (string trim -- "$path $word")
            __ring_place "$path"
        else
            set seen (math $seen + 1)
        end
    end
    if test -z "$plain" -a -z "$option"; and string match -q -- '--*=*' "$current"
        set -l parts (string split -m 1 -- = "$current")
        if __ring_value "$path $parts[1]"
            for found in (__ring_offer "$__ring_found" "$parts[2]")
                echo "$parts[1]=$found"
            end
        end
    else if test -n "$option"
        __ring_offer "$__ring_found" "$current"
    else if test -z "$plain"; and string match -q -- '-*' "$current"
        __ring_offer "=$__ring_flags" "$current"
    else if set -q __ring_commands[1]
        __ring_offer "=$__ring_commands" "$current"
    else if test $seen -lt $__ring_most
        __ring_offer "$__ring_args" "$current"
    end
    set -e __ring_passed __ring_namespace __ring_commands __ring_flags __ring_args
    set -e __ring_most __ring_found
end

complete -c ring -f -a '(__ring_complete)'
"""


def script(places: Iterable[Place]) -> str:
    """What `ring completions fish` prints."""
    places = tuple(places)
    return "\n".join(
        (
            "# fish completion for ring, written by `ring completions fish`",
            "",
            "function __ring_place # PATH: what may come next there",
            "    switch $argv[1]",
            *(line for place in places for line in _tables(place)),
            "    end",
            "end",
            "",
            "function __ring_value # PATH OPTION: whether a value follows it, and which",
            "    switch $argv[1]",
            *(line for place in places for line in _values(place)),
            "        case '*'",
            "            return 1",
            "    end",
            "end",
            _WALK,
        )
    )


def _tables(place: Place) -> Iterator[str]:
    yield f"        case {_quoted(place.path)}"
    yield f"            set -g __ring_commands {' '.join(place.commands)}".rstrip()
    yield f"            set -g __ring_flags {' '.join(place.flags)}"
    yield f"            set -g __ring_args {_quoted(place.offer)}"
    yield f"            set -g __ring_most {place.most}"


def _values(place: Place) -> Iterator[str]:
    for value in place.values:
        keys = " ".join(_quoted(f"{place.path} {name}") for name in value.names)
        yield f"        case {keys}"
        yield f"            set -g __ring_found {_quoted(value.offer)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
