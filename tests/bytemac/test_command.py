# SPDX-License-Identifier: Apache-2.0
"""The command ``bytemac``: help, verbs, wrong verbs, missing packages, completion."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from pkgutil import resolve_name

import pytest

from bytemac.__main__ import main
from bytemac.completion import completion, whole_parser
from bytemac.verbs import GROUPS, VERBS, Verb
from hw.board.platforms import board_named
from hw.spec.command import CALLED, Parser, as_called, chosen_array
from hw.version import VERSION

#: Completes a line in bash as Tab does, and prints what it offers.
TAB = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
$(complete -p bytemac | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


def failed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Stderr of a command that must exit with status 2."""
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Output of a command that must exit with status 0."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_verb_by_task(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(arguments, capsys).splitlines()
    assert [line[:-1] for line in lines if re.fullmatch(r"[A-Z]\w+:", line)] == list(GROUPS)
    for verb in VERBS.values():
        place = next(i for i, line in enumerate(lines) if line.startswith(f"  {verb.name} "))
        assert lines[place].endswith(f"  {verb.meaning}")
        assert lines[place + 1].strip() == f"bytemac {verb.name} {verb.example}".strip()


def test_verbs_are_those_of_the_project() -> None:
    wanted = (
        "generate run view network advise synth sweep fpga flash selftest board doctor formats "
        "study report"
    )
    assert set(wanted.split()) <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_every_verb_is_a_module_and_its_example_has_its_options(verb: Verb) -> None:
    assert callable(resolve_name(f"{verb.module}:main"))
    options = resolve_name(f"{verb.module}:parser")()
    assert options.prog == f"python -m {verb.module.removesuffix('.__main__')}"
    options.parse_args(verb.example.split())


def test_every_example_of_a_help_is_a_complete_call() -> None:
    """Required options are there: a unit, and the array, size, board or files that a verb needs."""
    examples = Counter()
    for verb in VERBS.values():
        own = resolve_name(f"{verb.module}:parser")()
        for line in own.format_help().partition("examples:\n")[2].splitlines():
            options = own.parse_args(line.removeprefix(f"  {own.prog} ").split())
            examples[verb.name] += 1
            if verb.name in ("run", "view", "network", "flash", "board"):
                assert chosen_array(options).rows >= 2, line
            if verb.name == "run":
                assert options.size or (options.a and options.b), line
            if verb.name == "flash":
                assert board_named(options.board), line
    wanted = {"generate": 5, "run": 4, "view": 2, "network": 2, "flash": 2, "board": 2}
    assert examples.items() >= (wanted | {"selftest": 2}).items(), examples


@pytest.mark.parametrize("verb", ["generate", "run", "synth", "flash", "study", "formats"])
def test_help_of_a_verb_calls_it_by_its_name(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown([verb, "--help"], capsys)
    assert text.startswith(f"usage: bytemac {verb} ")
    known = {other.module.removesuffix(".__main__") for other in VERBS.values()}
    assert not known & set(re.findall(r"python -m ([\w.]+)", text))
    assert shown(["help", verb], capsys) == text
    # Afterwards, texts show ``python -m`` again.
    assert CALLED == {}
    assert Parser(prog="python -m hw.generate").prog == "python -m hw.generate"


def test_error_of_a_verb_calls_it_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(["generate", "--mac", "e4m3", "--lanes", "0"], capsys).startswith(
        "bytemac generate: error: MAC lanes must be "
    )
    assert as_called("python -m hw.generate") == "python -m hw.generate"


def test_verb_runs_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    from hw.spec.__main__ import main as formats

    formats(["--json"])
    wanted = capsys.readouterr().out
    assert shown(["formats", "--json"], capsys) == wanted


@pytest.mark.parametrize(
    ("verb", "guess"),
    [("genrate", "; did you mean generate?"), ("Synth", "; did you mean synth?"), ("xyzzy", ".")],
)
def test_unknown_verb(verb: str, guess: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert failed([verb, "--mac", "e4m3"], capsys) == (
        f"bytemac: error: Unknown verb {verb!r}{guess} `bytemac --help` lists all verbs.\n"
    )


def test_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(["--verison"], capsys) == ("bytemac: error: unrecognized arguments: --verison\n")


def test_version_and_python_m() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bytemac", "--version"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"bytemac {VERSION}\n", "")


def test_missing_package_of_a_verb_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [name for name in sys.modules if name.startswith("sim.network")]:
        monkeypatch.delitem(sys.modules, name)
    assert re.fullmatch(
        r"bytemac network: error: Package onnx is not installed in \S+: run `.+`\n",
        failed(["network", "--list"], capsys),
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_verbs_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(["--print-completion", shell], capsys)
    assert all(verb in text for verb in VERBS)
    assert "dataflow" in text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ge"], ["generate"]),
        (["generate", "--dataf"], ["--dataflow"]),
        (["generate", "--dataflow", ""], ["os", "ws"]),
        (["run", "--mac", "e4m3f"], ["e4m3fnuz"]),
        (["flash", "--board", "icebr"], ["icebreaker"]),
        (["study", "theo"], ["theory"]),
        (["report", "--o"], ["--out"]),
    ],
)
def test_bash_completes(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(completion("bash"))
    done = subprocess.run(
        ["bash", "-c", TAB, "bash", script, "bytemac", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == offered


def test_completion_without_the_package_of_a_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [name for name in sys.modules if name.startswith("sim.network")]:
        monkeypatch.delitem(sys.modules, name)
    parts = whole_parser()._subparsers._group_actions[0].choices
    assert list(parts) == list(VERBS)
    assert "--data" not in parts["network"]._option_string_actions
    assert "--mac" in parts["run"]._option_string_actions


def test_completion_has_every_option_of_every_verb() -> None:
    parts = whole_parser()._subparsers._group_actions[0].choices
    assert list(parts) == list(VERBS)
    for name, part in parts.items():
        own = resolve_name(f"{VERBS[name].module}:parser")()
        assert part._option_string_actions.keys() >= own._option_string_actions.keys() - {"-h"}
