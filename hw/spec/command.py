# SPDX-License-Identifier: Apache-2.0
"""Shared by all commands: one-line errors, exit statuses, and the options that describe a unit.

There is an option for each setting of `hw.spec.grammar`. The given options are joined to a
spelling, which the grammar parses.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from hw import manners
from hw.spec.arrays import ArraySpec
from hw.spec.errors import DIGITS, LONGEST, SpecError, shortened
from hw.spec.files import require_output_file, require_output_folder
from hw.spec.gemm import GemmSpec
from hw.spec.grammar import ACCUMULATORS, Spec, parse_gemm, parse_mac, parse_output, parse_spec
from hw.spec.macs import MacSpec
from hw.spec.outputs import MODE, OutputSpec
from hw.spec.packages import explanation
from hw.spec.settings import Setting

#: Examples, by the option that they need.
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

#: Message if the option for the operands is missing.
NO_MAC = "No MAC is given; add --mac PAIR, for instance --mac e4m3"

#: Messages for errors that Python itself raises, by a part of Python's message.
VALUES = {
    "integer string conversion": f"Number must have at most {DIGITS} digits",
    "embedded null": "Path must have no NUL character",
}


#: Metavars of options that name a file or folder; options that name one to be written.
PLACES = ("DIR", "FILE", "FOLDER", "MODEL.onnx", "PATH", "POINTS")
READ = ("FILE", "MODEL.onnx")
WRITTEN = ("out", "trace", "view", "save_quantizers")


class Quiet(argparse.Action):
    """The option ``--quiet``, which every command has."""

    def __call__(self, *_: object) -> None:
        """Report no progress from now on."""
        manners.quiet(True)


#: Names that replace ``python -m MODULE`` in texts, by module; `bytemac` sets them.
CALLED: dict[str, str] = {}
_CALL = re.compile(r"\bpython -m (\w+(?:\.\w+)*)")


def as_called(text: str) -> str:
    """``text`` with its commands spelled as the user called this one: ``bytemac generate``."""
    return _CALL.sub(lambda match: CALLED.get(match[1], match[0]), text)


class Parser(argparse.ArgumentParser):
    """Argument parser that reports an error as one line on stderr, with exit status 2.

    Parameters
    ----------
    prog
        Command as it is typed, ``python -m MODULE``.
    examples
        Options of calls that the help shows; by default those of `EXAMPLES` that the parser has.
    """

    def __init__(self, *, prog: str, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(prog=as_called(prog), **settings)
        self.examples = examples
        self.add_argument("--quiet", action=Quiet, nargs=0, help="report no progress on stderr")

    def error(self, message: str) -> NoReturn:
        """Exit with ``message``."""
        self.exit(2, as_called(f"{self.prog}: error: {message}\n"))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print ``message``; the method of argparse would ignore a full disk."""
        (file or sys.stderr).write(message)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Value of an option; an error message shortens a long one."""
        if not arg_string and action.metavar in PLACES:
            raise argparse.ArgumentError(action, "must name a file or folder, not ''")
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if len(arg_string) <= LONGEST:
                raise
            text = str(error.message).replace(repr(arg_string), shortened(arg_string))
            raise argparse.ArgumentError(action, text) from None

    def format_help(self) -> str:
        """Help; commands with MAC options also list all accumulators and show examples."""
        return as_called(self._help())

    def _help(self) -> str:
        options = {action.dest for action in self._actions}
        usual = [words for option, words in EXAMPLES.items() if option in options]
        calls = self.examples or (usual if "mac" in options else ())
        examples = "".join(f"  {self.prog} {words}\n" for words in calls)
        text = super().format_help()
        if "mac" in options:
            width = max(map(len, ACCUMULATORS))
            kinds = (f"  {name:{width}}  {meaning}\n" for name, meaning in ACCUMULATORS.items())
            text += f"\naccumulators:\n{''.join(kinds)}"
        return f"{text}\nexamples:\n{examples}" if examples else text


def run_command(
    parser: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace], int | None],
    arguments: Sequence[str] | None = None,
    *,
    tool_errors: tuple[type[Exception], ...] = (),
) -> int:
    """Run ``body`` with the options in ``arguments``; return the exit status of the program.

    The status is what ``body`` returns, 0 for None. An error prints one line on stderr. The status
    is then 2 if the user can fix the error: a wrong option or file (`SpecError`, `OSError`), or a
    missing package (`ModuleNotFoundError`). It is 1 if a tool fails (``tool_errors``), the disk is
    full or stdout cannot be written; 130 after Ctrl-C, and 143 after SIGTERM. After a closed pipe
    the status is 141, and nothing is printed.

    Raises
    ------
    SystemExit
        With status 2 for an error of the user, and 0 after ``--help``.
    """
    prog = parser.prog
    manners.quiet(False)
    try:
        options = parser.parse_args(_arguments(parser, arguments))
        _check_files(parser, options)
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
        if manners.was_stopped():  # A thread failed because its tool was ended.
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
    """Words of the command line; a NUL character, which no file name can contain, is an error."""
    for word in arguments or ():
        if "\0" in word:
            parser.error(f"An argument contains a NUL character: {shortened(word)}")
    return arguments


def _check_files(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program if an output names an input or another output, or cannot be a file."""
    names: dict[str, str] = {}
    actions = [action for action in parser._actions if getattr(options, action.dest, None)]
    written = sorted(
        (action for action in actions if action.dest in WRITTEN),
        key=lambda action: WRITTEN.index(action.dest),
    )
    read = [a for a in actions if a.dest not in WRITTEN and a.metavar in READ]
    for action in read:
        given = getattr(options, action.dest)
        for path in given if isinstance(given, list) else [given]:
            names[os.path.realpath(path)] = _shown(action)
    for action in written:
        path, option = getattr(options, action.dest), _shown(action)
        first = names.setdefault(os.path.realpath(path), option)
        if first != option:
            parser.error(f"{first} and {option} must name different files, not both {path}")
        try:
            (require_output_folder if action.metavar in ("DIR", "FOLDER") else require_output_file)(
                path
            )
        except SpecError as error:
            parser.error(str(error))


def _shown(action: argparse.Action) -> str:
    """Name of an argument in messages."""
    return action.option_strings[-1] if action.option_strings else str(action.metavar)


def _explained(error: Exception, tool_errors: tuple[type[Exception], ...]) -> tuple[int, str]:
    """Exit status and sentence for an error; status 0 if the error is a bug of the program."""
    full = _full_disk(error)
    if full is not None:
        reason = (full.strerror or "input or output error").lower()
        name = f"File {full.filename}" if full.filename else "Output or a temporary file"
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
            return 1, "There is not enough memory; try a smaller size"
        case RecursionError():
            return 2, "Input is nested too deeply"
        case ValueError():
            found = [sentence for sign, sentence in VALUES.items() if sign in str(error)]
            return (2, found[0]) if found else (0, "")
    return 0, ""


def _full_disk(error: BaseException | None) -> OSError | None:
    """Error of a full disk that caused ``error``, or None."""
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
        "e4m3xe5m2; for a list run python -m hw.spec --list",
    )
    _add(parser, MacSpec.SETTINGS)


def add_unit_options(parser: argparse._ActionsContainer, *, array: str | None = None) -> None:
    """Add the options that spell a MAC or an array; ``array`` is the default size."""
    parser.add_argument(
        "--spec",
        metavar="SPEC",
        help="the whole unit in one text, instead of separate options: "
        "PAIR,acc=ACC,array=ROWSxCOLS,...",
    )
    add_mac_options(parser)
    parser.set_defaults(default_array=array)
    _add(parser, ARRAY)


def add_drain_options(parser: argparse._ActionsContainer, *, values: bool = False) -> None:
    """Add the options that spell an output stage at an array's drain.

    With ``values`` the options also set the values of its inputs: ``--out-scale pow2:-4``,
    ``--zero-point 3``.
    """
    parser.set_defaults(drain_values=values)
    _add(parser, (DRAIN, MODE[0]))
    if values:
        parser.add_argument(
            "--out-scale",
            metavar="KIND:VALUE",
            help="multiply all sums by this before rounding: pow2:-4 (two to the -4) or "
            "fp32:0.05 (default: no scale)",
        )
        parser.add_argument(
            "--zero-point",
            metavar="N",
            type=int,
            help="with an integer --out-format, the code that means zero, in units of its last "
            "place (default: none)",
        )
    else:
        _add(parser, MODE[1:])


def add_output_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that spell an output stage, stand-alone or at an array's drain."""
    _add(parser, (SOURCE,))
    add_drain_options(parser)
    _add(parser, (FLAGS,))


def add_gemm_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that put an engine around an array."""
    parser.add_argument(
        "--gemm",
        action="store_true",
        help="generate a GEMM engine: the array with memories, registers and a bus",
    )
    _add(parser, GemmSpec.SETTINGS)


def given_mac_options(options: argparse.Namespace) -> list[str]:
    """Names of the options of `add_mac_options` that the user gave."""
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
        If the options do not spell a valid MAC.
    """
    if options.mac is None:
        raise SpecError(NO_MAC)
    return parse_mac(_spelling(options.mac, options, MacSpec.SETTINGS))


def chosen_array(options: argparse.Namespace) -> ArraySpec:
    """Array that the options of `add_unit_options` and perhaps `add_drain_options` spell.

    Raises
    ------
    SpecError
        If the options do not spell a valid array.
    """
    unit = chosen_unit(options)
    if not isinstance(unit, ArraySpec):
        raise SpecError("No array size is given; add --array ROWSxCOLS, for instance --array 16x16")
    return unit


def chosen_unit(options: argparse.Namespace) -> MacSpec | ArraySpec:
    """MAC or array, as in `chosen_array`."""
    unit = _whole(options)
    if unit is None:
        if options.mac is None:
            raise SpecError(NO_MAC)
        array = options.array or options.default_array
        drain = _given(options, (DRAIN, *MODE))
        if drain and DRAIN.key not in drain:
            named = [setting.option_string for setting in MODE if setting.key in drain]
            raise SpecError(
                f"No output stage is given for {', '.join(named)}; add --out-format FMT"
            )
        if array is None:
            for setting in ARRAY:
                if getattr(options, setting.dest) is not None:
                    raise SpecError(
                        f"{setting.option_string} needs an array; add --array ROWSxCOLS"
                    )
            if drain:
                raise SpecError(
                    "A single MAC cannot have an output stage; add --array ROWSxCOLS, or generate "
                    "the output stage alone with --from ACC and without --mac"
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
        raise SpecError(f"Spec must describe a MAC or an array, not {str(unit)!r}")
    return unit


def chosen_design(options: argparse.Namespace) -> MacSpec | ArraySpec | OutputSpec | GemmSpec:
    """Unit that the options of `add_unit_options` and `add_output_options` spell together.

    The options of `add_gemm_options` are included if the parser has them.

    Raises
    ------
    SpecError
        If the options do not spell a valid unit.
    """
    whole = _whole(options)
    if isinstance(whole, OutputSpec | GemmSpec):
        if getattr(options, "gemm", False):
            raise SpecError("--spec describes the whole unit already; leave out --gemm")
        return whole
    source, flags = getattr(options, SOURCE.dest), getattr(options, FLAGS.dest)
    behind_mac = bool(given_mac_options(options) or _given(options, ARRAY))
    if source is not None and behind_mac:
        raise SpecError(
            "--from generates an output stage alone; leave out --from, or the options of the MAC"
        )
    if (
        whole is None
        and options.mac is None
        and (source is not None or _given(options, (DRAIN, FLAGS, *MODE)))
    ):
        if source is None:
            raise SpecError(
                "No accumulator is given for the output stage; add --from ACC, or --mac PAIR and "
                "--array ROWSxCOLS"
            )
        if options.out_format is None:
            raise SpecError("No output format is given; add --out-format FMT")
        return parse_output(_spelling(options.out_format, options, OutputSpec.SETTINGS))
    if whole is None and options.mac is None:
        raise SpecError(NO_MAC)
    if flags is not None:
        raise SpecError("--flag-bits needs --from; the flags of an array follow from its MAC")
    return _with_engine(options, chosen_unit(options))


def _with_engine(
    options: argparse.Namespace, unit: MacSpec | ArraySpec
) -> MacSpec | ArraySpec | GemmSpec:
    """Engine around ``unit`` that the options of `add_gemm_options` spell, else ``unit``."""
    given = _given(options, GemmSpec.SETTINGS)
    if not getattr(options, "gemm", False):
        for name in given:
            raise SpecError(f"--{name} needs a GEMM engine; add --gemm")
        return unit
    if not isinstance(unit, ArraySpec):
        raise SpecError("--gemm needs an array; add --array ROWSxCOLS")
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
        choices = f"; one of {', '.join(names)} (default: {names[0]})" if names else ""
        parser.add_argument(
            setting.option_string,
            dest=setting.dest,
            metavar=setting.metavar,
            help=setting.meaning + choices,
        )


def _given(options: argparse.Namespace, settings: Iterable[Setting]) -> dict[str, str]:
    """Texts of the given settings, by key; of an output stage's input value, only its kind."""
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
    """Settings of a spelling, as ``key=value``."""
    return [f"{key}={value}" for key, value in texts.items()]


def _spelling(head: str, options: argparse.Namespace, settings: Iterable[Setting]) -> str:
    """Spelling of a head and the given settings."""
    return ",".join([head, *_parts(_given(options, settings))])


def _whole(options: argparse.Namespace) -> Spec | None:
    """Description that ``--spec`` spells, or None; no other option may spell a part of it."""
    if options.spec is None:
        return None
    settings = (*MacSpec.SETTINGS, *ARRAY, SOURCE, FLAGS, DRAIN, *MODE)
    beside = [
        setting.option_string
        for setting in settings
        if getattr(options, setting.dest, None) is not None
    ]
    beside += ["--mac"] if options.mac is not None else []
    if beside:
        raise SpecError(
            f"--spec cannot be combined with {', '.join(beside)}; put everything into --spec, or "
            "leave it out"
        )
    return parse_spec(options.spec)
