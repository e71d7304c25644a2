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

from hw import manners
from hw.spec.arrays import ArraySpec
from hw.spec.errors import DIGITS, LONGEST, SpecError, require, shortened
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

#: What Python says of a text that no option or file may hold, by words of it.
VALUES = {
    "integer string conversion": f"Number must have at most {DIGITS} digits",
    "embedded null": "Path must have no NUL character",
}


class Quiet(argparse.Action):
    """The option ``--quiet``, which every command has."""

    def __call__(self, *_: object) -> None:
        """Report no progress from now on."""
        manners.quiet(True)


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
        self.add_argument("--quiet", action=Quiet, nargs=0, help="report no progress on stderr")

    def error(self, message: str) -> NoReturn:
        """End the program with ``message``."""
        self.exit(2, as_called(f"{self.prog}: error: {message}\n"))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print ``message``; argparse's own hides that the disk is full."""
        (file or sys.stderr).write(message)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Value of an option; an error shows no more of a long one than can be read."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if len(arg_string) <= LONGEST:
                raise
            text = str(error.message).replace(repr(arg_string), shortened(arg_string))
            raise argparse.ArgumentError(action, text) from None

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

    That is what ``body`` returns, 0 for None. Each other end is one line on stderr: status 2 for
    what a person can mend, a wrong option or file (`SpecError`, `OSError`) or a missing package
    (`ModuleNotFoundError`); 1 for a tool that fails (``tool_errors``), a full disk, or stdout that
    cannot be written; 130 after Ctrl-C, 143 after SIGTERM. A closed pipe ends the program with 141
    and without a line.

    Raises
    ------
    SystemExit
        As argparse does: with status 2, or 0 after ``--help``.
    """
    prog = parser.prog
    manners.quiet(False)
    try:
        options = parser.parse_args(_arguments(parser, arguments))
        with manners.unwinding(), manners.temporary_files():
            try:
                status = body(options) or 0
            finally:
                manners.settle()
    except SystemExit as end:
        raise SystemExit(manners.flushed(prog, _status(end))) from None
    except KeyboardInterrupt:
        return _interrupted(prog)
    except BrokenPipeError as error:
        return manners.unwritten(prog, error)
    except Exception as error:
        if manners.was_stopped():  # The error is that of a thread whose tool was ended.
            return _interrupted(prog)
        status, sentence = _explained(error, tool_errors)
        if not status:
            raise
        manners.say(as_called(f"{prog}: error: {sentence}"))
        if status == 2:
            raise SystemExit(2) from error
    return manners.flushed(prog, status)


def _interrupted(prog: str) -> int:
    status, word = manners.stopped()
    manners.say(f"{prog}: {word}")
    return status


def _status(end: SystemExit) -> int:
    return end.code if isinstance(end.code, int) else int(end.code is not None)


def _arguments(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> Sequence[str] | None:
    """The words of the command line; one that no file name can have ends the program."""
    for word in arguments or ():
        if "\0" in word:
            parser.error(f"Argument must have no NUL character, not {shortened(word)}")
    return arguments


def _explained(error: Exception, tool_errors: tuple[type[Exception], ...]) -> tuple[int, str]:
    """Exit status and sentence for an error; status 0 for one that is a fault of the program."""
    full = _full_disk(error)
    if full is not None:
        reason = (full.strerror or "input or output error").lower()
        name = f"File {full.filename}" if full.filename else "Output"
        return 1, f"{name} could not be written ({reason})"
    if isinstance(error, tool_errors):
        return 1, str(error)
    match error:
        case SpecError():
            return 2, str(error)
        case ModuleNotFoundError():
            missing = explanation(error)
            return (0, "") if missing is None else (2, missing)
        case OSError():
            if error.filename is None or error.strerror is None:
                return 2, str(error)
            return 2, f"{error.strerror}: {shortened(str(error.filename))}"
        case MemoryError():
            return 1, "Not enough memory for this; try a smaller one"
        case RecursionError():
            return 2, "Input must not be nested this deep"
        case ValueError():
            found = [sentence for sign, sentence in VALUES.items() if sign in str(error)]
            return (2, found[0]) if found else (0, "")
    return 0, ""


def _full_disk(error: BaseException | None) -> OSError | None:
    """What said that a disk is full, if that is why ``error`` was raised."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in manners.FULL:
            return error
        error = error.__cause__
    return None


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
