# SPDX-License-Identifier: Apache-2.0
"""The generator's command line: what it writes, what it prints, errors in one line."""

import json

import pytest

from hw.generate import main
from hw.spec import parse_spec


def test_command_prints_the_paths(tmp_path, capsys):
    assert main(["--mac", "e4m3xe5m2", "--acc", "exact:1", "--out", str(tmp_path)]) == 0
    names = capsys.readouterr().out.split()
    assert names == [str(tmp_path / f"mac_e4m3xe5m2_fx51m25{ending}")
                     for ending in (".v", ".core", ".md", ".json")]
    assert sorted(map(str, tmp_path.iterdir())) == sorted(names)


def test_command_makes_an_output_stage(tmp_path, capsys):
    assert main(["--from", "fx49m18", "--flag-bits", "1", "--out-format", "int8", "--no-saturate",
                 "--out-scale", "pow2", "--zero-point", "--out", str(tmp_path)]) == 0
    name = "out_fx49m18_int8_f1_nosat_pow2_zp"
    assert capsys.readouterr().out.split() == [
        str(tmp_path / f"{name}{ending}") for ending in (".v", ".core", ".md", ".json")]
    manifest = json.loads((tmp_path / f"{name}.json").read_text())
    spec = parse_spec(manifest["spec"])
    assert (manifest["name"], manifest["kind"], manifest["latency"]) == (spec.name, "output", 1)
    ports = {port["name"]: (port["width"], port["signed"]) for port in manifest["ports"]}
    assert ports == {"clk": (1, False), "rst": (1, False), "i_valid": (1, False),
                     "i_data": (49, True), "i_flags": (1, False), "i_scale": (8, True),
                     "i_zero_point": (8, True), "o_valid": (1, False), "o_data": (8, True)}
    sheet = (tmp_path / f"{name}.md").read_text()
    assert all(f"| `{port}` | " in sheet for port in ports)


def test_command_makes_an_output_stage_with_a_factor(tmp_path, capsys):
    assert main(["--from", "fp16", "--out-format", "e4m3", "--out-scale", "fp32", "--out",
                 str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/out_fp16_e4m3_fp32.v\n")
    manifest = json.loads((tmp_path / "out_fp16_e4m3_fp32.json").read_text())
    (port,) = [port for port in manifest["ports"] if port["name"] == "i_scale"]
    assert port == {"name": "i_scale", "direction": "input", "width": 32, "signed": False,
                    "description": "the sum is multiplied by this binary32 number"}
    sheet = (tmp_path / "out_fp16_e4m3_fp32.md").read_text()
    assert "`o_data = e4m3(sum * i_scale)`" in sheet


@pytest.mark.parametrize("spelling", ["--out-format e4m3", "--out-format float8_E4M3fn"])
def test_command_makes_an_array_with_an_output_stage(spelling, tmp_path, capsys):
    assert main(["--mac", "e5m2", "--array", "2x3", "--out-scale", "fp32", "--no-saturate",
                 *spelling.split(), "--out", str(tmp_path)]) == 0
    name = "array_2x3_os_e5m2_fx77m32_out_e4m3_nosat_fp32"
    assert capsys.readouterr().out.split() == [
        str(tmp_path / f"{name}{ending}") for ending in (".v", ".core", ".md", ".json")]
    manifest = json.loads((tmp_path / f"{name}.json").read_text())
    spec = parse_spec(manifest["spec"])
    assert (spec.name, spec.drain) == (name, "e4m3,saturate=no,scale=fp32")
    ports = {port["name"]: port["width"] for port in manifest["ports"]}
    assert (ports["m_axis_c_tdata"], ports["c_scale"]) == (3 * 8, 3 * 32)
    assert not {"m_axis_c_tuser", "c_zero_point"} & set(ports)
    derived = manifest["derived"]
    assert [derived[fact] for fact in ("slot_width", "result_width", "result_signed", "scale_bits",
                                       "zero_point_bits")] == [8, 8, False, 32, 0]
    sheet = (tmp_path / f"{name}.md").read_text()
    assert all(f"| `{port}` | " in sheet for port in ports)
    assert "Each sum leaves as `e4m3(sum * c_scale)`." in sheet
    assert "- The values of `c_scale` for a row are taken at the clock edge" in sheet
    assert f"is offered {spec.first_result(1) - 1} + K cycles after" in sheet


@pytest.mark.parametrize("bus", ["axi4lite", "wishbone"])
def test_command_makes_an_engine(bus, tmp_path, capsys):
    assert main(["--gemm", "--mac", "int8", "--array", "2x3", "--out-format", "int8", "--out-scale",
                 "pow2", "--depths", "8x16x32", "--bus", bus, "--out", str(tmp_path)]) == 0
    name = f"gemm_2x3_os_int8_fx28_out_int8_pow2_8x16x32_{bus}"
    assert capsys.readouterr().out.split() == [str(tmp_path / f"{name}{ending}") for ending in (
        ".v", ".core", ".md", "_registers.json", "_registers.md", ".h", ".py", ".json")]
    manifest = json.loads((tmp_path / f"{name}.json").read_text())
    spec = parse_spec(manifest["spec"])
    assert (manifest["kind"], spec.name, manifest["latency"]) == ("gemm", name, spec.latency)
    assert manifest["derived"]["digest"] == spec.digest
    ports = {port["name"]: port["width"] for port in manifest["ports"]}
    assert ports["irq"] == 1
    assert all(port in ("clk", "rst", "irq") or port.startswith(("s_axil_", "s_wb_"))
               for port in ports)
    sheet = (tmp_path / f"{name}.md").read_text()
    assert all(f"| `{port}` | " in sheet for port in ports)
    assert f"it takes {spec.latency} cycles more than the array" in sheet
    assert "- A product fits if K * ceil(M / 2) <= 8, K * ceil(N / 3) <= 16 and" in sheet
    assert "- `SCALE`: one value for the output stages of all columns." in sheet
    assert "| 0x2c | `SCALE` | 7:0 |" in (tmp_path / f"{name}_registers.md").read_text()


def test_command_makes_a_weight_stationary_array(tmp_path, capsys):
    assert main(["--mac", "e4m3", "--acc", "fp16", "--array", "3x2", "--dataflow", "ws", "--acc-depth",
                 "9", "--out", str(tmp_path), "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    spec = parse_spec(manifest["spec"])
    assert manifest["name"] == spec.name == "array_3x2_ws_e4m3_fp16_d9"
    ports = {port["name"]: port["width"] for port in manifest["ports"]}
    assert [ports[f"{name}_tdata"] for name in ("s_axis_a", "s_axis_b", "m_axis_c")] == [24, 16, 32]
    assert ports["s_axis_a_tuser"] == 2
    sheet = (tmp_path / f"{spec.name}.md").read_text()
    assert all(f"| `{port}` | " in sheet for port in ports)
    assert "in tiles of up to 9 x 2, K in steps of 3." in sheet
    assert f"A row leaves {spec.passage} cycles after its beat of A in the last pass." in sheet
    assert "the first beat of A is taken 4 cycles after that of B" in sheet


def test_command_makes_a_weight_stationary_engine(tmp_path, capsys):
    assert main(["--gemm", "--mac", "e4m3", "--acc", "fp32", "--array", "3x2", "--dataflow", "ws",
                 "--acc-depth", "9", "--depths", "8x16x32", "--out", str(tmp_path), "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    spec, name = parse_spec(manifest["spec"]), "gemm_3x2_ws_e4m3_fp32_d9_8x16x32_axi4lite"
    assert (manifest["kind"], manifest["name"], spec.name) == ("gemm", name, name)
    sheet = (tmp_path / f"{name}.md").read_text()
    assert "on a weight-stationary array of 3 rows and 2 columns" in sheet
    assert "- A product fits if ceil(K / 3) * M <= 8, K * ceil(N / 2) <= 16 and" in sheet
    assert "word ceil(K / 3) * i + t: row i of A at 3 values of k from 3 * t on; k asc" in sheet
    table = json.loads((tmp_path / f"{name}_registers.json").read_text())
    layout = table["layout"]
    assert (table["dataflow"], layout["a_rows"], layout["a_steps"]) == ("ws", 1, 3)
    assert ", dataflow ws. Byte addresses" in (tmp_path / f"{name}_registers.md").read_text()


def test_command_writes_into_a_folder_with_a_format_s_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["--mac", "int4", "--array", "1x1", "--out", "./e4m3"]) == 0
    assert main(["--mac", "int4", "--out", "e5m2"]) == 0
    assert main(["--mac", "int4", "--array", "1x1", "--out", "e4m3:ieee"]) == 0
    capsys.readouterr()
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.v"))
    assert made == ["e4m3/array_1x1_os_int4_fx20.v", "e4m3:ieee/array_1x1_os_int4_fx20.v",
                    "e5m2/mac_int4_fx20.v"]


def test_command_prints_the_manifest(tmp_path, capsys):
    assert main(["--mac", "int8", "--array", "2x2", "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "array_2x2_os_int8_fx28"


def test_command_lists_the_formats(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("format")
    assert any(line.startswith("e4m3 ") for line in lines)


WRONG = {
    "": "MAC operands must be given by --mac PAIR, for instance --mac e4m3",
    "--mac e4m9": "Format name must be one of ",
    "--mac e4m3:odd": "Format policy must be one of none, ieee, fn, fnuz, p3109, p3109e, not 'odd'",
    "--mac e4m3xint8xint8": "MAC operands must be one format or two joined by x, not "
                            "'e4m3xint8xint8'",
    "--mac e4m3 --array 0x16": "Array rows must be an integer from 1 to 512, not 0",
    "--mac e4m3 --array 16x9999": "Array cols must be an integer from 1 to 512, not 9999",
    "--mac e4m3 --array 16": "Array size must be ROWSxCOLS, for instance 16x16, not '16'",
    "--mac e4m3 --array 2x2 --dataflow xs": "Array dataflow must be one of os, ws, not 'xs'",
    "--mac e4m3 --acc-depth 4": "Array depth must be given with --array, not '4'",
    "--mac e4m3 --array 2x2 --acc-depth 4": "Array depth must be left out unless the dataflow is ws, "
                                        "not 4",
    "--mac e4m3 --array 2x2 --dataflow ws --acc-depth 1": "Array depth must be an integer from 2 to "
                                                      "65536, not 1",
    "--mac e4m3 --acc int32": "Accumulator width must be at least 37 to hold 1 product(s) of e4m3 "
                              "and e4m3 at lsb -18, not 32",
    "--mac e4m3 --acc exact:0": "Accumulator products must be an integer from 1 to "
                                "18446744073709551616, not 0",
    "--mac e4m3 --acc exotic": "Accumulator must be exact, exact:N, intN, fxWIDTH[mLSB|pLSB], fp32,"
                               " fp16 or bf16, with -rtz, -sat or -ftz behind it, or aligned:N, "
                               "hopper, ada, blackwell, not 'exotic'",
    "--mac e4m3 --lanes 0": "MAC lanes must be an integer from 1 to 256, not 0",
    "--mac e4m3 --lanes=-1": "MAC lanes must be a whole number, not '-1'",
    "--mac e4m3 --pipeline 9": "MAC pipeline must be an integer from 0 to 8, not 9",
    "--out-format e4m3": "Output source must be given by --from ACC, not None",
    "--from fp32": "Output format must be given by --out-format FMT, not None",
    "--from fp32 --out-format e4m3 --zero-point": "Output zero_point must be False for e4m3, which "
                                                  "is no integer, not True",
    "--from fp32 --out-format e4m3 --mac e4m3": "Output stage must be made on its own, not with "
                                                "the options of a MAC",
    "--mac e4m3 --out-format e4m3": "Output stage must be on its own (--from ACC) or at the drain "
                                    "of an array (--array), not behind a MAC alone",
    "--mac e4m3 --array 2x2 --out-scale pow2": "Output format must be given by --out-format FMT "
                                               "with --out-scale, not None",
    "--mac e4m3 --array 2x2 --out-format e4m3 --flag-bits 1": "Output flags must be those of the "
                                                              "MAC, not '1'",
    "--mac e4m3 --array 2x2 --out-format e4m3 --from fp32": "Output stage must be made on its own, "
                                                            "not with the options of a MAC",
    "--spec e4m3,acc=fp32 --lanes 2": "Spec must be given by --spec alone, not 'with --lanes'",
    "--spec e4m3,array=2x2,depths=8x8x8 --gemm": "GEMM must be in --spec or given by --gemm, not "
                                                 "'both'",
    "--spec e4m3,depth=4": "Array size must be given by array=ROWSxCOLS, not None",
    "--mac fp8": "Format name must be one of ",
    "--mac e4m3 --array 2x2 --out-format e4m9": "Format name must be one of ",
    "--mac e4m3 --array 2x2 --out-format e4m3 --out-scale fp16": "Output scale must be one of none, "
                                                             "pow2, fp32, not 'fp16'",
    "--mac e4m3 --array 2x2 --out-format e4m3 --zero-point": "Output zero_point must be False for "
                                                             "e4m3, which is no integer, not True",
    "--array 2x2 --out-format e4m3": "Output source must be given by --from ACC, not None",
    "--mac e4m3 --gemm": "GEMM array must be given by --array ROWSxCOLS, not None",
    "--mac e4m3 --array 2x2 --bus wishbone": "GEMM bus must be given with --gemm, not 'wishbone'",
    "--mac e4m3 --array 2x2 --depths 8x8x8": "GEMM depths must be given with --gemm, not '8x8x8'",
    "--mac e4m3 --array 2x2 --gemm --bus apb": "GEMM bus must be one of axi4lite, wishbone, not "
                                               "'apb'",
    "--mac e4m3 --array 2x2 --gemm --depths 64": "GEMM depths must be AxBxC, for instance "
                                                 "1024x1024x1024, not '64'",
    "--mac e4m3 --acc fp32 --array 512x512 --gemm --depths 1048576x1048576x1048576": (
        "GEMM depths must be those of memories within 32 bits of address, not "
        "'1048576x1048576x1048576'"),
    "--mac e4m3 --array 2x2 --gemm --dataflow ws --acc-depth 1": "Array depth must be an integer from "
        "2 to 65536, not 1",
    "--mac e4m3 --array 2x2 --gemm --depths 1x8x8": "GEMM depth_a must be an integer from 2 to "
                                                    "1048576, not 1",
    "--mac e4m3 --nonsense": "unrecognized arguments: --nonsense",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_command_wrong(arguments, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stopped:
        main([*arguments.split(), "--out", str(out)])
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert printed.err.startswith(f"python -m hw.generate: error: {WRONG[arguments]}")
    assert not out.exists()


def test_command_in_a_folder_that_is_a_file(tmp_path, capsys):
    out = tmp_path / "file"
    out.write_text("mine")
    with pytest.raises(SystemExit) as stopped:
        main(["--mac", "int8", "--out", str(out)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        f"python -m hw.generate: error: Output folder must be writable, not '{out}' "
        "(file exists)\n")
    assert out.read_text() == "mine"
