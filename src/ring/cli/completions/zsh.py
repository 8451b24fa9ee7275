"""The script for zsh: tables of the tree, and one function that walks the words typed so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.completions.bash import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.cli.completions.tree import Place

_WALK = r"""
_ring_offer() { # OFFER
  case $1 in
    '='*) compadd -- ${(s: :)1#=} ;;
    '@'*) _ring_names "${1#@}" ;;
    file) _files ;;
  esac
}

_ring_names() { # KIND
  local tab=$'\t'
  local -a lines shown
  [[ -n $namespace ]] && passed+=(--namespace "$namespace")
  lines=(${(f)"$(command ring _complete "$1" "$cur" "${passed[@]}" 2>/dev/null)"})
  (($#lines)) || return 1
  shown=("${(@)lines/$tab/  }")
  lines=("${(@)lines%%$tab*}")
  # -U: an id is also found by the name it stands for.
  compadd -U -d shown -a lines
}

_ring() {
  emulate -L zsh
  local cur=${words[CURRENT]} place='' option='' plain='' namespace='' word i
  local commands flags offer most value=''
  local -i seen=0
  local -a passed
  _ring_place ''
  for ((i = 2; i < CURRENT; i++)); do
    word=${words[i]}
    if [[ -n $option ]]; then
      _ring_passed "$option" "$word"
      option=''
    elif [[ -z $plain && $word == -- ]]; then
      plain=1
    elif [[ -z $plain && $word == --*=* ]]; then
      _ring_passed "${word%%=*}" "${word#*=}"
    elif [[ -z $plain && $word == -?* ]]; then
      _ring_value "$place $word" && option=$word
    elif [[ " $commands " == *" $word "* ]]; then
      place=${place:+$place }$word
      _ring_place "$place"
    else
      seen+=1
    fi
  done
  if [[ -z $option && -z $plain && $cur == --*=* ]] && _ring_value "$place ${cur%%=*}"; then
    option=${cur%%=*}
    cur=${cur#*=}
    compset -P '*='
  fi
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

_ring_passed() { # OPTION VALUE: what names are asked with
  case $place$1 in
    *--context | *--config) passed+=("$1" "$2") ;;
    -c) passed+=(--context "$2") ;;
    *-n | *--namespace) namespace=$2 ;;
  esac
}

if [[ ${funcstack[1]} == _ring ]]; then
  _ring "$@"
else
  compdef _ring ring
fi
"""


def script(places: Iterable[Place]) -> str:
    """What `ring completions zsh` prints; to be put into a directory of `fpath`, or sourced."""
    head = "#compdef ring\n# zsh completion for ring, written by `ring completions zsh`\n"
    return "\n".join((head, tables(places), _WALK))
