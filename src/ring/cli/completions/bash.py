"""The script for bash: tables of the tree, and one function that walks the words typed so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ring.cli.completions.tree import Place

_WALK = r"""
_ring_offer() { # OFFER: fills COMPREPLY
  case $1 in
    =*) mapfile -t COMPREPLY < <(compgen -W "${1#=}" -- "$cur") ;;
    @*) _ring_names "${1#@}" ;;
    file)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      ;;
  esac
}

_ring_names() { # KIND
  local line tab=$'\t'
  local -a lines=()
  [[ -n $namespace ]] && passed+=(--namespace "$namespace")
  mapfile -t lines < <(command ring _complete "$1" "$cur" "${passed[@]}" 2>/dev/null)
  for line in "${lines[@]}"; do
    # What stands for it is shown only where it cannot end up on the command line.
    if [[ ${#lines[@]} == 1 || $line != *"$tab"* || $COMP_TYPE == 37 || $COMP_TYPE == 42 ]]; then
      COMPREPLY+=("${line%%"$tab"*}")
    else
      COMPREPLY+=("${line%%"$tab"*}  (${line#*"$tab"})")
    fi
  done
}

_ring() {
  local cur=${COMP_WORDS[COMP_CWORD]} path='' option='' plain='' namespace='' seen=0 word i
  local commands flags offer most value=''
  local -a passed=()
  COMPREPLY=()
  [[ $cur == = ]] && cur=''
  _ring_place ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ -n $option ]]; then
      [[ $word == = ]] && continue
      case $path$option in
        *--context | *--config) passed+=("$option" "$word") ;;
        -c) passed+=(--context "$word") ;;
        *-n | *--namespace) namespace=$word ;;
      esac
      option=''
    elif [[ -z $plain && $word == -- ]]; then
      plain=1
    elif [[ -z $plain && $word == -?* ]]; then
      _ring_value "$path $word" && option=$word
    elif [[ $word != = && " $commands " == *" $word "* ]]; then
      path=${path:+$path }$word
      _ring_place "$path"
    elif [[ $word != = ]]; then
      seen=$((seen + 1))
    fi
  done
  if [[ -n $option ]]; then
    _ring_offer "$value"
  elif [[ -z $plain && $cur == -* ]]; then
    _ring_offer "=$flags"
  elif [[ -n $commands ]]; then
    _ring_offer "=$commands"
  elif ((seen < most)); then
    _ring_offer "$offer"
  fi
}

complete -F _ring ring
"""


def script(places: Iterable[Place]) -> str:
    """What `ring completions bash` prints."""
    head = "# bash completion for ring, written by `ring completions bash`\n"
    return "\n".join((head, tables(places), _WALK))


def tables(places: Iterable[Place]) -> str:
    """The tree as two functions, in words that bash and zsh share."""
    places = tuple(places)
    return "\n".join(
        (
            "_ring_place() { # PATH: what may come next there",
            "  case $1 in",
            *(f"    {_quoted(place.path)}) {_place(place)} ;;" for place in places),
            "  esac",
            "}",
            "",
            "_ring_value() { # PATH OPTION: whether a value follows it, and which",
            "  case $1 in",
            *(line for place in places for line in _values(place)),
            "    *) return 1 ;;",
            "  esac",
            "}",
        )
    )


def _place(place: Place) -> str:
    return (
        f"commands={_quoted(' '.join(place.commands))} flags={_quoted(' '.join(place.flags))} "
        f"offer={_quoted(place.offer)} most={place.most}"
    )


def _values(place: Place) -> Iterator[str]:
    for value in place.values:
        keys = " | ".join(_quoted(f"{place.path} {name}") for name in value.names)
        yield f"    {keys}) value={_quoted(value.offer)} ;;"


def _quoted(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"
