# SPDX-License-Identifier: Apache-2.0
"""What the command lines have in common: one-line errors, exit statuses, and options of a unit.

The options are the settings of `hw.spec.grammar`, each under its own name; what is chosen is put
together as a spelling, which the grammar reads.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from hw.spec.arrays import ArraySpec
from hw.spec.errors import SpecError, require
from hw.spec.gemm import GemmSpec
from hw.spec.grammar import ACCUMULATORS, Spec, parse_gemm, parse_mac, parse_output, parse_spec
from hw.spec.macs import MacSpec
from hw.spec.outputs import MODE, OutputSpec
from hw.spec.packages import explanation
from hw.spec.settings import Setting

#: By the option that they need.
EXAMPLES = {
    "mac": "--mac e4m3xe5m2 --acc fp32 --lanes 4",
    "array": "--mac float8_e4m3fn --acc fx40m18-sat --array 16x16 --dataflow ws",
    "out_format": "--mac int8 --array 8x8 --out-format int8 --out-scale pow2",
    "gemm": "--mac int8 --acc int32 --array 4x4 --gemm --bus wishbone",
    "spec": "--spec e4m3,acc=fp32,array=16x16,dataflow=ws",
}

(FLAGS,) = (setting for setting in OutputSpec.SETTINGS if setting.key == "flags")
(SOURCE,) = (setting for setting in OutputSpec.SETTINGS if setting.key == "from")
(DRAIN,) = (setting for setting in ArraySpec.SETTINGS if setting.key == "out")
ARRAY = tuple(setting for setting in ArraySpec.SETTINGS if setting is not DRAIN)

#: Exit status after Ctrl-C, as a shell has it.
INTERRUPTED = 130


#: Names of commands by the module of ``python -m``; `bytemac` fills it where it is what was called.
CALLED: dict[str, str] = {}
_CALL = re.compile(r"\bpython -m (\w+(?:\.\w+)*)")


def as_called(text: str) -> str:
    """``text`` with its commands spelled as the user called this one: ``bytemac generate``."""
    return _CALL.sub(lambda match: CALLED.get(match[1], match[0]), text)


class Parser(argparse.ArgumentParser):
    """Argument parser whose errors are one line on stderr and exit status 2."""

    def __init__(self, *, prog: str, **settings: Any) -> None:
        super().__init__(prog=as_called(prog), **settings)

    def error(self, message: str) -> NoReturn:
        """End the program with ``message``."""
        self.exit(2, as_called(f"{self.prog}: error: {message}\n"))

    def format_help(self) -> str:
        """Help, with every accumulator and with examples where there are options of a MAC."""
        return as_called(self._help())

    def _help(self) -> str:
        options = {action.dest for action in self._actions}
        if "mac" not in options:
            return super().format_help()
        width = max(map(len, ACCUMULATORS))
        kinds = "".join(f"  {name:{width}}  {meaning}\n" for name, meaning in ACCUMULATORS.items())
        examples = "".join(
            f"  {self.prog} {words}\n" for option, words in EXAMPLES.items() if option in options
        )
        return f"{super().format_help()}\naccumulators:\n{kinds}\nexamples:\n{examples}"


def run_command(
    parser: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace], int | None],
    arguments: Sequence[str] | None = None,
    *,
    tool_errors: tuple[type[Exception], ...] = (),
) -> int:
    """Run ``body`` with the options in ``arguments``; gives the exit status of the program.

    That is what ``body`` returns, 0 for None. What a person can mend, a wrong option or file
    (`SpecError`, `OSError`) or install (`ModuleNotFoundError`), becomes one line on stderr and
    status 2; a tool that fails (``tool_errors``) one line and 1; Ctrl-C one line and `INTERRUPTED`.

    Raises
    ------
    SystemExit
        With status 2, or 0 after ``--help``, as argparse does.
    """
    options = parser.parse_args(arguments)
    try:
        return body(options) or 0
    except tool_errors as error:
        print(as_called(f"{parser.prog}: error: {error}"), file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        sentence = explanation(error)
        if sentence is None:
            raise
        parser.error(sentence)
    except (SpecError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED


def add_mac_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that spell a MAC."""
    parser.add_argument(
        "--mac",
        metavar="PAIR",
        help="operand formats, for instance e4m3, int8 or "
        "e4m3xe5m2; `python -m hw.spec --list` lists all",
    )
    _add(parser, MacSpec.SETTINGS)


def add_unit_options(parser: argparse._ActionsContainer, *, array: str | None = None) -> None:
    """Add the options that spell a MAC or an array; ``array`` is the size if none is given."""
    parser.add_argument(
        "--spec",
        metavar="SPEC",
        help="the whole in one, instead of the options below: PAIR,acc=ACC,array=ROWSxCOLS,...",
    )
    add_mac_options(parser)
    parser.set_defaults(default_array=array)
    _add(parser, ARRAY)


def add_drain_options(parser: argparse._ActionsContainer, *, values: bool = False) -> None:
    """Add the options that spell an output stage at an array's drain.

    With ``values`` they say what its inputs are given too: ``--out-scale pow2:-4``,
    ``--zero-point 3``.
    """
    parser.set_defaults(drain_values=values)
    _add(parser, (DRAIN, MODE[0]))
    if values:
        parser.add_argument(
            "--out-scale",
            metavar="KIND:VALUE",
            help="what all sums are multiplied by: pow2:-4 (two to the -4) or "
            "fp32:0.05 (default: nothing)",
        )
        parser.add_argument(
            "--zero-point",
            metavar="N",
            type=int,
            help="with an integer --out-format, the code that stands for zero, in "
            "units of its last place (default: none)",
        )
    else:
        _add(parser, MODE[1:])


def add_output_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that spell an output stage, on its own or at an array's drain."""
    _add(parser, (SOURCE,))
    add_drain_options(parser)
    _add(parser, (FLAGS,))


def add_gemm_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that put an engine around an array."""
    parser.add_argument(
        "--gemm",
        action="store_true",
        help="make a GEMM engine around the array: memories, registers, a bus",
    )
    _add(parser, GemmSpec.SETTINGS)


def given_mac_options(options: argparse.Namespace) -> list[str]:
    """Names of the options of `add_mac_options` that are given."""
    return [
        name
        for name in ("mac", *(setting.dest for setting in MacSpec.SETTINGS))
        if getattr(options, name) is not None
    ]


def chosen_mac(options: argparse.Namespace) -> MacSpec:
    """MAC that the options of `add_mac_options` spell.

    Raises
    ------
    SpecError
        If there is no such MAC.
    """
    require(options.mac is not None, "MAC operands", "given by --mac PAIR", None)
    return parse_mac(_spelling(options.mac, options, MacSpec.SETTINGS))


def chosen_array(options: argparse.Namespace) -> ArraySpec:
    """Array that the options of `add_unit_options` and, if there, `add_drain_options` spell.

    Raises
    ------
    SpecError
        If there is no such array.
    """
    unit = chosen_unit(options)
    require(isinstance(unit, ArraySpec), "Array size", "given by --array ROWSxCOLS", None)
    assert isinstance(unit, ArraySpec)
    return unit


def chosen_unit(options: argparse.Namespace) -> MacSpec | ArraySpec:
    """MAC or array, as in `chosen_array`."""
    unit = _whole(options)
    if unit is None:
        require(options.mac is not None, "MAC operands", "given by --mac PAIR", None)
        array = options.array or options.default_array
        drain = _given(options, (DRAIN, *MODE))
        if drain and DRAIN.key not in drain:
            named = [setting.option_string for setting in MODE if setting.key in drain]
            require(
                False, "Output format", f"given by --out-format FMT with {', '.join(named)}", None
            )
        if array is None:
            for setting in ARRAY:
                value = getattr(options, setting.dest)
                require(value is None, f"Array {setting.key}", "given with --array", value)
            if drain:
                raise SpecError(
                    "Output stage must be on its own (--from ACC) or at the drain of "
                    "an array (--array), not behind a MAC alone"
                )
            return chosen_mac(options)
        unit = parse_spec(
            ",".join(
                [
                    _spelling(options.mac, options, MacSpec.SETTINGS),
                    f"array={array}",
                    *_parts(_given(options, ARRAY[1:])),
                    *_parts(drain),
                ]
            )
        )
    if not isinstance(unit, MacSpec | ArraySpec):
        raise SpecError(f"Spec must be that of a MAC or an array, not {str(unit)!r}")
    return unit


def chosen_design(options: argparse.Namespace) -> MacSpec | ArraySpec | OutputSpec | GemmSpec:
    """Whatever the options of `add_unit_options` and `add_output_options` spell together.

    Those of `add_gemm_options` count too, if they are there.

    Raises
    ------
    SpecError
        If there is no such unit.
    """
    whole = _whole(options)
    if isinstance(whole, OutputSpec | GemmSpec):
        require(not getattr(options, "gemm", False), "GEMM", "in --spec or given by --gemm", "both")
        return whole
    source, flags = getattr(options, SOURCE.dest), getattr(options, FLAGS.dest)
    behind_mac = bool(given_mac_options(options)) or options.array is not None
    if source is not None and behind_mac:
        raise SpecError("Output stage must be made on its own, not with the options of a MAC")
    if (
        whole is None
        and options.mac is None
        and (source is not None or _given(options, (DRAIN, FLAGS, *MODE)))
    ):
        require(source is not None, "Output source", "given by --from ACC", None)
        require(options.out_format is not None, "Output format", "given by --out-format FMT", None)
        return parse_output(_spelling(options.out_format, options, OutputSpec.SETTINGS))
    if whole is None and options.mac is None:
        raise SpecError("MAC operands must be given by --mac PAIR, for instance --mac e4m3")
    require(flags is None, "Output flags", "those of the MAC", flags)
    return _with_engine(options, chosen_unit(options))


def _with_engine(
    options: argparse.Namespace, unit: MacSpec | ArraySpec
) -> MacSpec | ArraySpec | GemmSpec:
    """The engine around ``unit`` that the options of `add_gemm_options` spell, or ``unit``."""
    given = _given(options, GemmSpec.SETTINGS)
    if not getattr(options, "gemm", False):
        for name, value in given.items():
            require(False, f"GEMM {name}", "given with --gemm", value)
        return unit
    require(isinstance(unit, ArraySpec), "GEMM array", "given by --array ROWSxCOLS", None)
    assert isinstance(unit, ArraySpec)
    return parse_gemm(unit, **given)


def _add(parser: argparse._ActionsContainer, settings: Iterable[Setting]) -> None:
    """Add an option for each setting."""
    for setting in settings:
        if setting.flag:
            parser.add_argument(
                setting.option_string,
                dest=setting.dest,
                action="store_const",
                const=setting.flag,
                help=setting.meaning,
            )
            continue
        names = [str(member.value) for member in setting.choices or ()]
        choices = f": {', '.join(names)} (default: {names[0]})" if names else ""
        parser.add_argument(
            setting.option_string,
            dest=setting.dest,
            metavar=setting.metavar,
            help=setting.meaning + choices,
        )


def _given(options: argparse.Namespace, settings: Iterable[Setting]) -> dict[str, str]:
    """Texts of the settings that are given, by key; of what the drain is given, only its kind."""
    texts = {}
    for setting in settings:
        value = getattr(options, setting.dest, None)
        if value is None:
            continue
        if getattr(options, "drain_values", False) and setting in MODE[1:]:
            value = setting.flag or value.partition(":")[0]
        texts[setting.key] = value
    return texts


def _parts(texts: dict[str, str]) -> list[str]:
    """Parts of a spelling."""
    return [f"{key}={value}" for key, value in texts.items()]


def _spelling(head: str, options: argparse.Namespace, settings: Iterable[Setting]) -> str:
    """Spelling of a head and what is given."""
    return ",".join([head, *_parts(_given(options, settings))])


def _whole(options: argparse.Namespace) -> Spec | None:
    """What ``--spec`` spells, None without it; nothing else may spell a part then."""
    if options.spec is None:
        return None
    settings = (*MacSpec.SETTINGS, *ARRAY, SOURCE, FLAGS, DRAIN, *MODE)
    beside = [
        setting.option_string
        for setting in settings
        if getattr(options, setting.dest, None) is not None
    ]
    beside += ["--mac"] if options.mac is not None else []
    require(not beside, "Spec", "given by --spec alone", f"with {', '.join(beside)}")
    return parse_spec(options.spec)
