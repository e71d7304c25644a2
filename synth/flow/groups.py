# SPDX-License-Identifier: Apache-2.0
"""The syntax of Liberty files: read the groups of a text, and write them in one strict form.

``name (args) { ... }`` is a group, ``name : value ;`` a simple attribute, and ``name (args) ;`` a
complex attribute (Liberty Reference Manual, section 1.2).

People write Liberty in many ways: values without quotation marks or in parentheses, tables without
quotation marks, missing semicolons, comments anywhere. Tools agree on less. So what `write` gives
has one statement a line, no comments, and everything in quotation marks but names and numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

#: How deep groups may be nested; real libraries have at most six levels.
DEEPEST = 40
#: Simple attributes that are always quoted, since some tools want expressions and lists so.
QUOTED = frozenset(
    {"clear", "clocked_on", "data_in", "enable", "function", "next_state", "preset"}
    | {"related_pin", "three_state", "when"}
)
#: Complex attributes whose arguments are strings that list numbers.
ROWS = frozenset({"values", "index_1", "index_2", "index_3"})

_SPACE = re.compile(r"(?:[\s;\\]++|/\*.*?\*/|//[^\n]*)*+", re.DOTALL)
#: A statement as nearly all are written.
_STATEMENT = re.compile(
    r'"?([\w.\[\]+-]++)"?\s*+(?:'
    r':[ \t]*+(?:"([^"\n]*+)"|([\w.+-]++))[ \t]*+(?=[;}\r\n])|'
    r'\(((?:[^()"/]++|"[^"]*+")*+)\)[\s\\]*+(\{)?)'
)
_NAME = re.compile(r'"?([\w.\[\]+-]++)"?')
_BLANK = re.compile(r"(?:[\s\\]++|/\*.*?\*/|//[^\n]*)*+", re.DOTALL)
_PART = re.compile(r'/\*.*?\*/|//[^\n]*|\\\r?\n|"[^"]*+"|[^"/\\;{}()\n]++|.|\n', re.DOTALL)
_COMMENT = re.compile(r'("[^"]*+")|/\*.*?\*/|//[^\n]*|\\', re.DOTALL)
ITEM = re.compile(r"[^\s,\\]+")
NUMBER = r"[-+]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][-+]?+\d++)?+"
#: What every tool reads without quotation marks. 1ns is not, for some read the 1 alone.
_PLAIN = re.compile(rf"[A-Za-z_]\w*+|{NUMBER}", re.ASCII)


class LibertyError(ValueError):
    """Text that is no Liberty. ``place`` is a position in the text; the message says why."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


@dataclass(slots=True)
class Group:
    """Group: name, arguments, attributes and nested groups.

    ``complex`` holds the texts between the parentheses, for each time that the attribute is given.
    ``places`` are positions of attributes in the text, ``place`` is that of the group.
    """

    name: str
    args: list[str]
    place: int = 0
    simple: dict[str, str] = field(default_factory=dict)
    complex: dict[str, list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def lists(self, name: str) -> list[list[str]]:
        """Arguments of a complex attribute, for each time that it is given."""
        return [_items(arguments) for arguments in self.complex.get(name, ())]

    def items(self, name: str) -> list[str]:
        """Arguments of a complex attribute the last time that it is given; [] if it is missing."""
        return self.lists(name)[-1] if name in self.complex else []

    def named(self, *names: str) -> Iterator["Group"]:
        """The nested groups of these names."""
        return (group for group in self.groups if group.name in names)

    def below(self) -> Iterator["Group"]:
        """The group and all groups in it."""
        yield self
        for group in self.groups:
            yield from group.below()


def parse(text: str) -> Group:
    """Parse the group ``library`` of a file. Raises LibertyError if it is wrong or missing."""
    start = _skip(_SPACE, text, 0)
    if not re.compile(r'"?library\b').match(text, start):
        raise LibertyError("the file must begin with the group library", start)
    library, end = parse_group(text, start)
    end = _skip(_SPACE, text, end)
    if end < len(text):
        raise LibertyError("the group library ends before this: a brace is too much", end)
    return library


def find(text: str, name: str, wanted: frozenset[str] | None = None) -> Iterator[Group]:
    """Find groups ``name (argument)`` in what `write` gave; None stands for all arguments."""
    for match in re.finditer(rf'^ *{name} \("?([^"()\n]*+)"?\) \{{$', text, re.MULTILINE):
        if wanted is None or match[1] in wanted:
            yield parse_group(text, _skip(_SPACE, text, match.start()))[0]


def parse_group(text: str, place: int) -> tuple[Group, int]:
    """The group that begins at ``place``, and its end. Raises LibertyError if it is wrong."""
    outside = Group("", [])
    end, is_open = _statement(text, place, outside)
    if not is_open:
        raise LibertyError("library must be a group with braces", place)
    inside = [*outside.groups]
    while inside:
        group = inside[-1]
        end = _skip(_SPACE, text, end)
        if end == len(text):
            raise LibertyError(f"the group {group.name} does not end", group.place)
        if text[end] == "}":
            inside.pop()
            end += 1
            continue
        end, is_open = _statement(text, end, group)
        if is_open:
            inside.append(group.groups[-1])
            if len(inside) > DEEPEST:
                raise LibertyError(f"groups are nested more than {DEEPEST} deep", end)
    return outside.groups[0], end


def _statement(text: str, place: int, group: Group) -> tuple[int, bool]:
    """Read a statement into ``group``. Returns the position after it, and whether it opens one."""
    match = _STATEMENT.match(text, place)
    if match is None:
        return _unusual(text, place, group)
    name, quoted, plain, arguments, brace = match.groups()
    if arguments is None:
        group.simple[name] = plain if quoted is None else _one_line(quoted)
        group.places[name] = place
    elif brace:
        group.groups.append(Group(name, _items(arguments), place))
    else:
        group.complex.setdefault(name, []).append(arguments)
        group.places[name] = place
    return match.end(), bool(brace)


def _unusual(text: str, place: int, group: Group) -> tuple[int, bool]:
    """As `_statement`, for statements with comments inside, and values that are expressions."""
    name = _NAME.match(text, place)
    if name is None:
        raise LibertyError(f"no statement begins with {text[place]!r}", place)
    after = _skip(_BLANK, text, name.end())
    if text.startswith(":", after):
        value, end = _value(text, _skip(_BLANK, text, after + 1), name[1])
        group.simple[name[1]], group.places[name[1]] = value, place
        return end, False
    if not text.startswith("(", after):
        raise LibertyError(f"{name[1]} must have a value or arguments", place)
    end = _closing(text, after)
    arguments = _COMMENT.sub(lambda found: found[1] or " ", text[after + 1 : end - 1])
    brace = _skip(_BLANK, text, end)
    if text.startswith("{", brace):
        group.groups.append(Group(name[1], _items(arguments), place))
        return brace + 1, True
    group.complex.setdefault(name[1], []).append(arguments)
    group.places[name[1]] = place
    return end, False


def _closing(text: str, place: int) -> int:
    """Position after the parenthesis that closes the one at ``place``."""
    depth = 0
    for match in _PART.finditer(text, place):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
        if match[0] in "{}":
            break
    raise LibertyError("a parenthesis does not close", place)


def _value(text: str, place: int, name: str) -> tuple[str, int]:
    """Value of a simple attribute, without comments and outer quotation marks, and its end.

    It ends at a semicolon, a brace, or the end of a line that is not within parentheses.
    """
    parts, depth, end = [], 0, len(text)
    for match in _PART.finditer(text, place):
        part = match[0]
        if part in ";}" or (part == "\n" and not depth):
            end = match.start()
            break
        if part == "{":
            raise LibertyError(f"the value of {name} does not end", place)
        if part.startswith('"') and (part == '"' or re.search(r"(?<!\\)\n", part)):
            raise LibertyError(f"a quotation mark in the value of {name} does not close", place)
        depth += {"(": 1, ")": -1}.get(part, 0)
        is_blank = part.isspace() or part.startswith(("/*", "//", "\\"))
        parts.append(" " if is_blank else part)
    value = "".join(parts).strip()
    if depth:
        raise LibertyError(f"a parenthesis in the value of {name} does not close", place)
    if not value:
        raise LibertyError(f"{name} has no value", place)
    whole = re.fullmatch(r'"([^"]*+)"', value)
    if whole:
        value = whole[1]
    elif '"' in value or re.search(r":(?![^\[\]]*\])", value):
        raise LibertyError(f"the value of {name} does not end: a semicolon is missing", place)
    return _one_line(value), end


def _one_line(text: str) -> str:
    """The text of a string, which may be continued on the next line."""
    return " ".join(text.replace("\\\n", " ").split()) if "\n" in text else text.strip()


def _skip(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Position after what ``pattern`` skips."""
    match = pattern.match(text, place)
    return match.end() if match else place


def _items(arguments: str) -> list[str]:
    """Arguments, which may be in strings that list several."""
    return ITEM.findall(arguments.replace('"', " "))


def write(library: Group) -> str:
    """The library in the strict form. Tables are written as they are."""
    lines: list[str] = []
    _write(library, "", lines)
    return "\n".join([*lines, ""])


def _write(group: Group, pad: str, lines: list[str]) -> None:
    lines.append(f"{pad}{group.name} ({', '.join(map(_spelled, group.args))}) {{")
    inner = pad + "  "
    for name, value in group.simple.items():
        shown = f'"{value}"' if name in QUOTED else _spelled(value)
        lines.append(f"{inner}{name} : {shown};")
    for name, given in group.complex.items():
        if name == "include_file":
            raise LibertyError("include_file must be replaced by the file", group.places[name])
        for text in given:
            shown = text if name in ROWS else ", ".join(map(_spelled, _items(text)))
            lines.append(f"{inner}{name} ({shown});")
    for part in group.groups:
        _write(part, inner, lines)
    lines.append(pad + "}")


def _spelled(word: str) -> str:
    """A word, quoted unless it is a name or a number."""
    return word if _PLAIN.fullmatch(word) else f'"{word}"'
