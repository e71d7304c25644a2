# SPDX-License-Identifier: Apache-2.0
"""Shell completion scripts for ``bytemac``: verbs, options, and values of options."""

import argparse
import re
from pathlib import Path
from pkgutil import resolve_name

import shtab

from bytemac.verbs import VERBS
from hw.board.platforms import BOARDS
from hw.spec import CATALOG, ArraySpec, GemmSpec, MacSpec, OutputSpec
from hw.spec.grammar import ACCUMULATORS
from hw.version import VERSION
from reports.registry import studies

#: Metavars of options whose value is a file or a folder.
_FILES = {"FILE": shtab.FILE, "MODEL.onnx": shtab.FILE, "PATH": shtab.FILE, "DIR": shtab.DIRECTORY}

#: Accumulators that are fixed words; the others are patterns such as ``intN``.
_WORD = re.compile(r"[a-z0-9]+")


def completion(shell: str) -> str:
    """Completion script for ``shell``."""
    return shtab.complete(whole_parser(), shell)


def whole_parser() -> argparse.ArgumentParser:
    """Parser of the command with all verbs, for `shtab` only; nothing is run with it."""
    whole = argparse.ArgumentParser(prog="bytemac")
    whole.add_argument("--version", action="version", version=VERSION, help="print the version")
    whole.add_argument(
        "--print-completion", choices=shtab.SUPPORTED_SHELLS, help="print this script"
    )
    verbs = whole.add_subparsers(metavar="VERB")
    known = _values()
    for verb in VERBS.values():
        try:
            own = resolve_name(f"{verb.module}:parser")()
        except ModuleNotFoundError:  # An extra is missing: complete the verb, not its options.
            verbs.add_parser(verb.name, help=verb.meaning)
            continue
        part = verbs.add_parser(verb.name, parents=[own], add_help=False, help=verb.meaning)
        for action in part._actions:
            if action.nargs == 0:
                continue
            if verb.name == "study" and action.dest == "name":
                action.choices = [study.name for study in studies()]
            elif action.choices is None and action.dest in known:
                action.choices = known[action.dest]
            elif action.metavar in _FILES or action.type is Path:
                action.complete = _FILES.get(str(action.metavar), shtab.FILE)  # type: ignore[attr-defined]
    return whole


def _values() -> dict[str, list[str]]:
    """Suggested values of options that also accept other spellings and so have no ``choices``."""
    values = {
        setting.dest: [str(member.value) for member in setting.choices]
        for spec in (MacSpec, ArraySpec, OutputSpec, GemmSpec)
        for setting in spec.SETTINGS
        if setting.choices
    }
    kinds = [name for names in ACCUMULATORS for name in names.split(", ") if _WORD.fullmatch(name)]
    boards = [board.key for board in BOARDS]
    return values | {"mac": list(CATALOG), "acc": kinds, "from": kinds, "board": boards}
