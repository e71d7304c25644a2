# SPDX-License-Identifier: Apache-2.0
"""Syntax of Liberty: groups, attributes and nothing of what they mean.

``name (args) { ... }`` is a group, ``name : value ;`` a simple and ``name (args) ;`` a complex
attribute (Liberty Reference Manual, section 1.2).
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

__all__ = ["Group", "find", "parse"]

#: Groups that are read; a library is mostly tables, which are not.
READ = {"library", "cell", "pin", "ff", "latch", "leakage_power"}

_SPACE = re.compile(r"(?:[\s;\\]|/\*.*?\*/|//[^\n]*)*", re.DOTALL)
_NAME = re.compile(r'"?([\w.\[\]+-]+)"?[ \t]*')
_VALUE = re.compile(r':\s*("[^"]*"|[^;\n}]*)')
_ARGS = re.compile(r'\(((?:"[^"]*"|[^)"])*)\)')
_ARG = re.compile(r'"([^"]*)"|([^\s,"\\]+)')
_BRACE = re.compile(r'"[^"]*"|/\*.*?\*/|[{}]', re.DOTALL)


@dataclass(slots=True)
class Group:
    """Group: name, arguments in parentheses, attributes and the groups inside."""

    name: str
    args: list[str]
    simple: dict[str, str] = field(default_factory=dict)
    complex: dict[str, list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)


def parse(text: str) -> Group:
    """The group library of a file; ValueError if there is none or it does not end."""
    outside = Group("", [])
    if _statement(text, _skip_space(text, 0), outside, READ) < 0 or not outside.groups:
        raise ValueError("no group")
    (library,) = outside.groups
    if library.name != "library":
        raise ValueError("no group library")
    return library


def find(text: str, name: str, read: Container[str], wanted: Container[str] | None = None
         ) -> Iterator[Group]:
    """Groups ``name (argument)`` anywhere in ``text``, with those of ``read`` inside.

    ``name`` is one of ``read``; only the arguments in ``wanted`` are read, all if that is None.
    """
    for match in re.finditer(rf'{name}\s*\(\s*"?([\w.]+)"?\s*\)\s*\{{', text):
        inside_a_word = re.match(r"\w", text[match.start() - 1:match.start()])
        if not inside_a_word and (wanted is None or match[1] in wanted):
            outside = Group("", [])
            _statement(text, match.start(), outside, read)
            yield outside.groups[0]


def _skip_space(text: str, place: int) -> int:
    """Place of the next character that says something."""
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _expect(pattern: re.Pattern[str], text: str, place: int) -> re.Match[str]:
    """Match of ``pattern``; ValueError if there is none."""
    match = pattern.match(text, place)
    if match is None:
        raise ValueError(f"syntax error at character {place}")
    return match


def _statement(text: str, place: int, group: Group, read: Container[str]) -> int:
    """Read the statement at ``place`` into ``group``; place behind it."""
    name = _expect(_NAME, text, place)
    place = _skip_space(text, name.end())
    if text.startswith(":", place):
        value = _expect(_VALUE, text, place)
        group.simple[name[1]] = value[1].strip().strip('"')
        return value.end()
    found = _expect(_ARGS, text, place)
    args = [quoted or plain for quoted, plain in _ARG.findall(found[1])]
    args = [part.strip() for arg in args for part in arg.split(",")]
    place = _skip_space(text, found.end())
    if not text.startswith("{", place):
        group.complex[name[1]] = args
        return place
    if name[1] not in read:
        return _behind(text, place)
    inner = Group(name[1], args)
    group.groups.append(inner)
    return _body(text, place + 1, inner, read)


def _body(text: str, place: int, group: Group, read: Container[str]) -> int:
    """Read statements into ``group`` up to its brace; place behind that."""
    while not text.startswith("}", place := _skip_space(text, place)):
        place = _statement(text, place, group, read)
    return place + 1


def _behind(text: str, place: int) -> int:
    """Place behind the group whose brace is at ``place``."""
    depth = 0
    for match in _BRACE.finditer(text, place):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    raise ValueError("a group does not end")
