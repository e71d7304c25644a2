# SPDX-License-Identifier: Apache-2.0
"""``bytemac VERB ...``: every command of the project under one name."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pkgutil import resolve_name

from bytemac.verbs import GROUPS, VERBS
from hw.spec import command
from hw.spec.command import Parser, run_command
from hw.spec.packages import explanation
from hw.version import VERSION

PROG = "bytemac"
#: Shells that `bytemac.completion` supports.
SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def parser() -> Parser:
    """Options of the command itself; each verb has its own."""
    parser = Parser(
        prog=PROG,
        usage=f"{PROG} VERB [options]",
        description="FP8 and INT8 multiply-accumulate units and systolic arrays: "
        "Verilog, bit-exact model, cost.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_listed(),
    )
    parser.add_argument("--version", action="version", version=f"{PROG} {VERSION}")
    parser.add_argument(
        "--print-completion",
        metavar="SHELL",
        choices=SHELLS,
        help=f"print a script that completes verbs and options: {', '.join(SHELLS)}",
    )
    return parser


def _listed() -> str:
    """The verbs by task, with an example of each, and how to get more help."""
    width = max(map(len, VERBS))
    lines = []
    for task, verbs in GROUPS.items():
        lines.append(f"{task}:")
        for verb in verbs:
            lines.append(f"  {verb.name:{width}}  {verb.meaning}")
            lines.append(f"  {'':{width}}    {' '.join([PROG, verb.name, verb.example]).rstrip()}")
        lines.append("")
    return "\n".join([*lines, f"{PROG} VERB --help shows the options of a verb."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status is that of the verb."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["help"]:  # ``bytemac help run`` is ``bytemac run --help``.
        given = [*given[1:2], "--help"]
    if not given:
        given = ["--help"]
    if given[0].startswith("-"):
        return run_command(parser(), _body, given)
    if given[0] not in VERBS:
        near = difflib.get_close_matches(given[0], VERBS, n=1)
        guess = f"; did you mean {near[0]}?" if near else "."
        parser().error(f"Unknown verb {given[0]!r}{guess} `{PROG} --help` lists all verbs.")
    return _run(given[0], given[1:])


def _body(options: argparse.Namespace) -> None:
    from bytemac.completion import completion

    if options.print_completion:
        print(completion(options.print_completion))


def _run(name: str, arguments: Sequence[str]) -> int:
    """Run a verb; texts then show ``bytemac VERB`` instead of ``python -m MODULE``."""
    names = {
        verb.module.removesuffix(".__main__"): f"{PROG} {verb.name}" for verb in VERBS.values()
    }
    command.CALLED |= names
    try:
        return int(resolve_name(f"{VERBS[name].module}:main")(arguments))
    except ModuleNotFoundError as error:
        sentence = explanation(error)
        if sentence is None:
            raise
        Parser(prog=f"{PROG} {name}").error(sentence)
    finally:
        for module in names:
            command.CALLED.pop(module, None)


if __name__ == "__main__":
    sys.exit(main())
