# SPDX-License-Identifier: Apache-2.0
"""Verilog of other people: files, file lists, include folders, macros and parameters.

>>> sources = Sources(files=("a.sv", "b.v"), include_dirs=("rtl",), params=("WIDTH=16",))
>>> elaborate(sources, "top").text    # RTLIL, which all steps of the flow read.

The files are read where they are, so that includes and memory files are found as in other tools.
Two frontends of Yosys are tried: slang, which knows SystemVerilog, and its own, which accepts some
designs that slang refuses. File names do not stay in the result, because ABC's order of gates would
depend on them.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hw.emit.yosys import YosysError, run_yosys
from hw.spec.errors import SpecError, require

READERS = ("auto", "slang", "yosys")
#: What slang is told to accept, beyond the standard: it is common, and its meaning is clear.
LENIENT = ("--allow-use-before-declare", "--allow-toplevel-iface-ports", "--relax-enum-conversions")
#: Options of file lists that change nothing here.
IGNORED = {"-sv", "-sverilog", "--sv", "+v2k", "-v2k"}
VHDL = {".vhd", ".vhdl"}
_OUT = "elaborated.il"
_INCLUDE = re.compile(r'^[ \t]*`include[ \t]*["<]([^">\n]+)[">]', re.MULTILINE)
_MEMORY_FILE = re.compile(r'\$readmem[hb][ \t]*\([ \t]*"([^"\n]+)"')
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What is read, and how.

    Parameters
    ----------
    files
        Source files, in order.
    include_dirs
        Folders of included files, after the folder of the file that includes.
    defines
        Macros: ``NAME`` or ``NAME=TEXT``.
    params
        Parameters of the top module: ``NAME=VALUE``, where the value is a Verilog constant.
    reader
        One of `READERS`; ``auto`` tries slang first.
    """

    files: tuple[str, ...] = ()
    include_dirs: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    reader: str = "auto"

    def with_list(self, file: str | Path) -> "Sources":
        """The same with what the file list ``file`` adds.

        A list has files, ``+incdir+DIR``, ``+define+NAME=TEXT``, ``-I DIR``, ``-D NAME``,
        ``-G NAME=VALUE``, nested lists (``-f``, and ``-F`` with paths relative to that list), and
        comments (``//``, ``#``, ``/* */``). ``$NAME`` stands for a variable of the environment.

        Raises
        ------
        SpecError
            If a list is missing, lists itself, or has an option that is not among these.
        """
        return _listed(self, Path(file), ())


@dataclass(frozen=True, kw_only=True)
class Elaborated:
    """RTLIL of a design, and how it was read.

    ``notes`` are messages of readers that refused it before one accepted it.
    """

    text: str
    reader: str
    notes: tuple[str, ...]


def _listed(sources: Sources, file: Path, above: tuple[Path, ...], base: str = "") -> Sources:
    """``sources`` with a file list. ``base`` is the folder of its paths, for ``-F``."""
    require(file.is_file(), "File list", "a readable file", str(file))
    if file.resolve() in above:
        raise SpecError(f"File list {str(file)!r} contains itself")
    above = (*above, file.resolve())

    def path(word: str) -> str:
        """A path of the list: as it is, else beside the list."""
        joined = os.path.join(base, os.path.expandvars(word))
        beside = os.path.join(file.parent, os.path.expandvars(word))
        return beside if not os.path.exists(joined) and os.path.exists(beside) else joined

    words = _words(file)
    for line, word in words:

        def value(option: str, line: int = line, word: str = word) -> str:
            """What follows an option, in the same word or in the next."""
            if word != option:
                return word.removeprefix(option)
            following = next(words, None)
            if following is None:
                raise SpecError(f"{file}:{line}: {option} needs a value")
            return following[1]

        if word in IGNORED:
            continue
        if word.startswith("+incdir+"):
            added = tuple(path(part) for part in word.split("+")[2:] if part)
            sources = replace(sources, include_dirs=(*sources.include_dirs, *added))
        elif word.startswith("+define+"):
            defines = tuple(part for part in word.split("+")[2:] if part)
            sources = replace(sources, defines=(*sources.defines, *defines))
        elif word.startswith("-I"):
            added = (path(value("-I")),)
            sources = replace(sources, include_dirs=(*sources.include_dirs, *added))
        elif word.startswith("-D"):
            sources = replace(sources, defines=(*sources.defines, value("-D")))
        elif word.startswith("-G"):
            sources = replace(sources, params=(*sources.params, value("-G")))
        elif word.startswith("-f"):
            sources = _listed(sources, Path(path(value("-f"))), above, base)
        elif word.startswith("-F"):
            nested = Path(path(value("-F")))
            sources = _listed(sources, nested, above, str(nested.parent))
        elif word in ("-v", "-sv_lib"):
            sources = replace(sources, files=(*sources.files, path(value(word))))
        elif word.startswith(("-", "+")):
            raise SpecError(
                f"{file}:{line}: {word!r} is not supported in a file list: leave it out, or give "
                "files, +incdir+, +define+, -I, -D, -G, -f and -F"
            )
        else:
            sources = replace(sources, files=(*sources.files, path(word)))
    return sources


def _words(file: Path) -> Iterator[tuple[int, str]]:
    """Words of a file list and their lines, without comments."""
    text = file.read_bytes().decode("utf-8", errors="replace")
    # Comments keep their line ends, so that lines can be counted.
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)(//|#).*", "", line).replace("\\\n", " ")
        for word in bare.split():
            if word != "\\":
                yield number, word.strip('"')


def check(sources: Sources) -> list[str]:
    """Check files, folders, macros and parameters; gives all texts, with those that are included.

    Raises
    ------
    SpecError
        For the first that is wrong. Devices and pipes are refused: readers would wait for ever.
    """
    require(sources.reader in READERS, "Reader", f"one of {', '.join(READERS)}", sources.reader)
    if not sources.files:
        raise SpecError("There is no Verilog file: give --verilog FILE or -f FILE")
    for folder in sources.include_dirs:
        require(Path(folder).is_dir(), "Include folder", "a folder", folder)
    for define in sources.defines:
        name = define.partition("=")[0]
        require(_NAME.fullmatch(name) is not None, "Macro", "NAME or NAME=TEXT", define)
    for param in sources.params:
        name, _, value = param.partition("=")
        fits = _NAME.fullmatch(name) is not None and bool(value)
        require(fits, "Parameter", "NAME=VALUE", param)
    texts: dict[Path, str] = {}
    given: set[Path] = set()
    for file in sources.files:
        path = Path(file)
        require(path.is_file(), "Verilog file", "a readable file", file)
        if path.suffix.lower() in VHDL:
            raise SpecError(f"Verilog file must be Verilog or SystemVerilog, not VHDL: {file!r}")
        if path.resolve() in given:
            raise SpecError(f"Verilog file {file!r} is given twice; name it once")
        given.add(path.resolve())
        _read(path, sources, texts)
    for param in sources.params:
        name = param.partition("=")[0]
        declared = re.compile(rf"\bparameter\b[^;]*\b{name}\b")
        require(
            any(declared.search(text) for text in texts.values()),
            "Parameter",
            "one that the sources declare",
            name,
        )
    return list(texts.values())


def _read(path: Path, sources: Sources, texts: dict[Path, str]) -> None:
    """Add the text of a file, and of the files that it names, to ``texts``."""
    todo = [path]
    while todo:
        here = todo.pop()
        if here.resolve() in texts:
            continue
        try:
            raw = here.read_bytes().decode("utf-8", errors="replace")
        except OSError as error:
            raise SpecError(f"Verilog file must be a readable file, not {str(here)!r}") from error
        text = _COMMENT.sub(" ", raw)
        texts[here.resolve()] = text
        for name in (*_INCLUDE.findall(text), *_MEMORY_FILE.findall(text)):
            folders = (here.parent, *map(Path, sources.include_dirs), Path())
            found = next((f / name for f in folders if (f / name).exists()), None)
            if found is None:
                continue  # The reader says so, if it is not behind an `ifdef.
            if not found.is_file():
                raise SpecError(f"{here}: included file must be a regular file, not {name!r}")
            if name in _INCLUDE.findall(text):
                todo.append(found)


def elaborate(sources: Sources, top: str) -> Elaborated:
    """Read the sources with ``top`` as the top module.

    Raises
    ------
    SpecError
        If something that is named is wrong; see `check`.
    YosysError
        If no reader accepts the sources. The message is the first reader's, then the others'.
    """
    check(sources)
    tries = {
        "slang": _slang(sources, top),
        # One compilation unit for all files: macros of one hold in the next.
        "slang, files as one unit": _slang(sources, top, "--single-unit"),
        "Yosys": _yosys(sources, top),
    }
    wanted = {"auto": tuple(tries), "slang": tuple(tries)[:2], "yosys": ("Yosys",)}
    messages: dict[str, str] = {}
    for name in wanted[sources.reader]:
        try:
            text = _run(tries[name])
        except YosysError as error:
            if str(error) not in messages.values():
                messages[name] = str(error)
            continue
        notes = tuple(f"{reader}: {message}" for reader, message in messages.items())
        return Elaborated(text=_without_places(text, sources), reader=name, notes=notes)
    first, *others = messages.items()
    raise YosysError("; ".join([first[1], *(f"with {name}: {text}" for name, text in others)]))


def _slang(sources: Sources, top: str, *more: str) -> list[list[str]]:
    """Commands that read the sources with slang."""
    options = [*LENIENT, *more, "--top", top]
    for option, values in (
        ("-I", sources.include_dirs),
        ("-D", sources.defines),
        ("-G", sources.params),
    ):
        options += [word for value in values for word in (option, value)]
    return [["read_slang", *options, *sources.files], ["hierarchy", "-check", "-top", top]]


def _yosys(sources: Sources, top: str) -> list[list[str]]:
    """Commands that read the sources with Yosys's own frontend."""
    options = [f"-I{folder}" for folder in sources.include_dirs]
    options += [f"-D{define}" for define in sources.defines]
    chosen = [param.partition("=")[::2] for param in sources.params]
    changed = [word for name, value in chosen for word in ("-set", name, value)]
    return [
        # Modules are made once all are read, so that packages and interfaces are known.
        ["read_verilog", "-sv", "-defer", *options, *sources.files],
        *([["chparam", *changed, top]] if changed else []),
        ["hierarchy", "-check", "-top", top],
        ["rename", "-top", top],
        ["proc"],
    ]


def _run(commands: Sequence[Sequence[str]]) -> str:
    """Run commands in the folder of the caller; gives the design as RTLIL."""
    with tempfile.TemporaryDirectory(prefix="sources-") as scratch:
        out = Path(scratch) / _OUT
        run_yosys([*commands, ["write_rtlil", str(out)]], cwd=Path.cwd())
        return out.read_text(encoding="utf-8")


def _without_places(text: str, sources: Sources) -> str:
    """RTLIL without the places in files from which names and attributes come."""
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith("#") and not line.lstrip().startswith("attribute \\src ")
    ]
    text = "\n".join(lines) + "\n"
    for number, file in enumerate(sources.files):
        text = text.replace(f"{file.replace(' ', '$20')}:", f"source{number}.v:")
    return text
