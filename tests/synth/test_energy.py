# SPDX-License-Identifier: Apache-2.0
"""Energy: tables, a netlist computed by hand, streams, MACs and arrays, and OpenSTA's numbers."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import sim
from hw.spec import SpecError, parse_array, parse_mac
from synth.flow import osu018
from synth.flow.design import of_unit
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.measure import Job
from synth.measure import energy as energy_part
from synth.power.activity import read_netlist, simulate
from synth.power.energy import (
    ARRAY_STREAMS,
    TILES,
    NetlistMismatch,
    measure_array_energy,
    measure_energy,
)
from synth.power.streams import DEPTH, STREAMS, make_stream
from synth.power.tables import Delays, read_tables
from synth.power.transitions import run_energy
from tests.support.cell_libraries import TINY
from tests.support.tiers import tiers
from tests.synth.test_activity import PARITY, column, delays, graph

LIBRARY = read([TINY])
PJ = 1e-12


def joules(value):
    """Expectation without the absolute tolerance of 1e-12 that pytest adds."""
    return pytest.approx(value, rel=1e-6, abs=0)


@pytest.fixture(scope="module")
def mapped():
    """A small MAC in cells of the tiny library."""
    from hw.build import verilog

    spec = parse_mac("int4", acc="int12")
    return spec, map_to_cells({"unit.v": verilog(spec)}, spec.name, LIBRARY, "default")


def test_tables_are_read_with_either_axis_first():
    tables = read_tables(LIBRARY, ["NAND2", "DFF", "INV"])
    assert sorted(tables) == ["DFF", "INV", "NAND2"]
    (energy,) = tables["NAND2"].energies
    assert (energy.pin, energy.related, energy.when) == ("Y", ("A", "B"), None)
    for table, corners in ((energy.rise, (1, 3, 2, 4)), (energy.fall, (1, 3, 2, 5))):
        places = [(0, 0), (0, 1e-13), (1, 0), (1, 1e-13)]
        assert [table(*place) for place in places] == joules([c * PJ for c in corners])
    assert energy.rise(0.5, 0.5e-13) == joules(2.5 * PJ)
    assert energy.fall(0.5, 1e-13) == joules(4 * PJ)
    assert energy.rise(2, 2e-13) == joules((1 + 2 + 4) * PJ)  # Extrapolated linearly.
    slew = next(e for e in tables["DFF"].energies if e.pin == "D")
    assert slew.rise(0.5, 7e-13) == slew.fall(0.5, 0) == joules(2 * PJ)
    assert [arc.related for arc in tables["NAND2"].arcs] == [("A",), ("B",)]


def test_malformed_tables_are_reported(tmp_path):
    cube = """lu_table_template (cube) { variable_1 : input_net_transition;
        variable_2 : total_output_net_capacitance; variable_3 : related_out_output_net_length;
        index_1 ("0, 1"); index_2 ("0, 1"); index_3 ("0, 1"); }
      cell (NAND2)"""
    table = 'cell_rise (by_slew_and_load) { values ("1, 3", "2, 4"); }'
    eight = 'cell_rise (cube) { values ("1, 2, 3, 4, 5, 6, 7, 8"); }'
    text = TINY.read_text().replace("cell (NAND2)", cube).replace(table, eight)
    (tmp_path / "cut.lib").write_text(text)
    with pytest.raises(
        SpecError, match=r"^Liberty tables of 'cut\.lib' are incomplete or malformed$"
    ):
        read_tables(read([tmp_path / "cut.lib"]), ["NAND2"])


def test_energy_of_a_small_run_is_that_found_by_hand():
    netlist = graph(PARITY)
    run = run_energy(simulate(netlist, {"i_a": column(1, 0, 1, 1, 0, 0)}), delays(netlist), 2.0)
    # Half of C V^2 is 2 pJ a pF. q changes three times and bears 0.05 pF, d twice and 0.01 pF.
    switching = {"r": 3 * 2 * 0.05, "x": 2 * 2 * 0.01, "n": 0}
    # n: a rise of 1 and two falls of 3. x: one change caused by A, 5, one rise by B while A, 7.
    # r: two rises of 8 and a fall of 10 of Q; D twice at a slew of 0.5, 2; CK: 0.5 and 0.25 in the
    # four cycles that D is 1 in, 2 and 1 in the fifth.
    internal = {"n": 1 + 2 * 3, "x": 5 + 7, "r": 2 * 8 + 10 + 2 * 2 + 4 * 0.75 + 3}
    for name, part in run.instances.items():
        assert part.switching == joules(switching[name] * PJ), name
        assert part.internal == joules(internal[name] * PJ), name
    assert run.inputs == joules(3 * 2 * 0.04 * PJ)
    assert run.clock == joules(5 * 2 * 2 * 0.02 * PJ)
    assert run.leakage == joules((1 + 3 + 5) * 1e-9)
    assert run.total == joules((0.34 + 0.24 + 0.4 + 7 + 12 + 36) * PJ)


def test_causes_of_one_change_share_it():
    netlist = graph(
        "module nor_gate(clk, i_a, o_y); input clk; input [1:0] i_a; output o_y;\n"
        "NOR2 g(.A(i_a[0]), .B(i_a[1]), .Y(o_y)); endmodule"
    )
    for a, wanted in (
        (([0, 0], [1, 1]), 3),
        (([0, 0], [1, 0]), 2),
        (([0, 1], [0, 0]), 4),
        (([0, 1], [1, 0]), 0),
    ):
        run = run_energy(simulate(netlist, {"i_a": np.array(a)}), delays(netlist), 2.0)
        assert run.instances["g"].internal == joules(wanted * PJ), a


def test_streams_are_the_same_for_every_format():
    e4m3, int8 = parse_mac("e4m3"), parse_mac("int8")
    for name in STREAMS:
        first, again = make_stream(name, e4m3, 6), make_stream(name, e4m3, 6)
        assert (first.a == again.a).all()
        assert (first.b == again.b).all()
        assert first.a.shape == first.b.shape == (6, DEPTH)
    real = []
    for spec in (e4m3, int8):
        stream = make_stream("gaussian", spec, 40)
        values = sim.decode(stream.a, spec.a)
        real.append(values / np.square(values).mean() ** 0.5)
    assert np.corrcoef(real[0].ravel(), real[1].ravel())[0, 1] > 0.995
    zeros = make_stream("zeros", e4m3, 40)
    assert 0.68 < (sim.decode(zeros.a, e4m3.a) == 0).mean() < 0.73
    assert (sim.decode(zeros.b, e4m3.b) == 0).mean() < 0.01
    assert np.isfinite(sim.decode(make_stream("uniform", e4m3, 40).a, e4m3.a)).all()
    wide = parse_mac("e4m3,lanes=2")
    assert make_stream("uniform", wide, 3).a.shape == (3, 2 * DEPTH)


def test_digits_keep_a_column_of_weights():
    spec = parse_mac("int8")
    stream = make_stream("digits1", spec, 10)
    assert stream.a.shape == (10, DEPTH)
    assert (stream.b == stream.b[0]).all()
    assert 0.3 < (stream.a == 0).mean() < 0.7
    assert stream.a.max() == 127


def test_energy_of_a_mac_is_repeatable_and_follows_the_operands(mapped):
    spec, netlist = mapped
    found = {
        name: measure_energy(netlist, spec, LIBRARY, name, sums=8)
        for name in ("zeros", "gaussian", "uniform")
    }
    assert found["zeros"].per_mac < found["gaussian"].per_mac < found["uniform"].per_mac
    for energy in found.values():
        assert energy.sums == 8
        assert energy.macs == 8 * DEPTH
        assert energy.per_mac == joules(
            energy.internal + energy.switching + energy.inputs + energy.clock
        )
        assert energy.per_mac == joules(
            sum(energy.by_instance.values()) + energy.inputs + energy.clock
        )
        assert 0 < energy.registers < energy.per_mac
        assert energy.glitches > 0
    assert measure_energy(netlist, spec, LIBRARY, "zeros", sums=8) == found["zeros"]
    metrics = found["zeros"].metrics()
    assert metrics["energy_zeros"].value == pytest.approx(found["zeros"].per_mac * 1e15, rel=1e-5)
    assert metrics["energy_zeros"].unit == metrics["energy_zeros_glitches"].unit == "fJ"
    without = measure_energy(netlist, spec, LIBRARY, "zeros", sums=8, glitches=False)
    assert without.glitches is None
    assert "energy_zeros_glitches" not in without.metrics()


@pytest.mark.parametrize("text", ["e2m1,acc=fp16", "e2m3,pipeline=1", "int4,lanes=2", "e5m2"])
def test_netlists_of_all_kinds_give_the_sums_of_the_model(text):
    from hw.build import verilog

    spec = parse_mac(text)
    netlist = map_to_cells({"unit.v": verilog(spec)}, spec.name, LIBRARY, "keep")
    energy = measure_energy(netlist, spec, LIBRARY, "uniform", sums=5, glitches=False)
    assert energy.sums == 5
    assert energy.macs == 5 * DEPTH * spec.lanes


def test_wrong_netlist_is_reported(mapped):
    spec, netlist = mapped
    # The first half of a half adder that is no longer one, or a NOR for a NAND.
    cell, other = ("NAND2", "NOR2")
    broken = replace(netlist, verilog=re.sub(rf"\b{cell}\b", other, netlist.verilog, count=1))
    assert broken.verilog != netlist.verilog
    with pytest.raises(
        NetlistMismatch,
        match=r"^Netlist of mac_int4_fx12 must give \(\d+,\) for "
        r"sum \d of stream uniform, not \(\d+,\)$",
    ):
        measure_energy(broken, spec, LIBRARY, "uniform", sums=4)


def test_stream_wrong():
    spec = parse_mac("int4")
    message = f"Stream must be one of {', '.join(STREAMS)}, not 'white'"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        make_stream("white", spec)
    with pytest.raises(SpecError, match=r"^Stream sums must be at least 1, not 0$"):
        make_stream("uniform", spec, 0)


SCRIPT = """
read_liberty {library}
read_verilog netlist.v
link_design {top}
create_clock -name clk -period 10 [get_ports clk]
# What no clocked path reaches has no activity in OpenSTA.
set_input_delay 0 -clock clk [all_inputs]
set_power_activity -global -activity 1.0 -duty 0.5
report_power -digits 8
sta::set_debug power 3
foreach cell [get_cells *] {{ sta::instance_power $cell [sta::cmd_corner] }}
"""


def test_opensta_has_the_same_loads_leakage_and_tables(tmp_path):
    """OpenSTA's power is not ours, see synth.power.transitions; what it is made of is."""
    if shutil.which("sta") is None:
        pytest.skip("OpenSTA is not installed")
    path = osu018.find()
    if path is None:
        pytest.skip("the OSU018 library is not there (make library)")
    from hw.build import verilog

    library, spec = read([path]), parse_mac("int4", acc="int12")
    netlist = map_to_cells({"unit.v": verilog(spec)}, spec.name, library)
    (tmp_path / "netlist.v").write_text(re.sub(r"\bsigned ", "", netlist.verilog))
    (tmp_path / "run.tcl").write_text(SCRIPT.format(library=path, top=spec.name))
    done = subprocess.run(
        ["sta", "-no_splash", "-exit", "run.tcl"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    found = read_netlist(netlist.verilog, netlist.top, library)
    total = re.search(r"^Total +\S+ +(\S+) +(\S+)", done.stdout, re.MULTILINE)
    driven = sum(found.loads.get(i.pins[pin], 0.0) for i in found.instances for pin in i.outputs)
    assert float(total[1]) == pytest.approx(
        0.5 * driven * library.voltage**2 / 10e-9, rel=0.02, abs=0
    )
    leakage = sum(instance.cell.leakage for instance in found.instances)
    assert float(total[2]) == pytest.approx(leakage, rel=1e-3, abs=0)
    assert _compare_tables(done.stderr, found, library) > len(found.gates)


def _compare_tables(log, netlist, library):
    """Energies of rise and fall in OpenSTA's log against our tables at our slews and loads."""
    timed = Delays(netlist, read_tables(library, {i.cell.name for i in netlist.instances}))
    gates = {gate.name: gate for gate in netlist.gates}
    blocks = re.findall(
        r"internal (\S+)/(\S+) \(\w+\)\n(.*?)(?=power: (?:internal|leakage))", log, re.DOTALL
    )
    compared, totals = 0, np.zeros(2)
    for instance, pin, text in blocks:
        arcs = re.findall(r"\^ energy = +(\S+) .*\n.*v energy = +(\S+) .*\n.*?(\w+) -> ", text)
        for rise, fall, cause in arcs if instance in gates else ():
            gate = gates[instance]
            energy = [
                e
                for e in timed.tables[gate.cell.name].energies
                if e.pin == pin and cause in e.related and e.when is None
            ]
            if len(energy) == 1:
                load = netlist.loads.get(gate.pins[pin], 0.0)
                slews = timed.slews.get(gate.pins[cause], (0.0, 0.0))
                ours = (energy[0].rise(slews[0], load), energy[0].fall(slews[1], load))
                # OpenSTA takes the worst slew of several arcs a little differently.
                assert ours == pytest.approx((float(rise), float(fall)), rel=0.02, abs=1e-15), (
                    instance,
                    pin,
                    cause,
                )
                totals += [sum(ours), float(rise) + float(fall)]
                compared += 1
    assert totals[0] == pytest.approx(totals[1], rel=0.005, abs=0)
    return compared


def job(text, size="2x2", **options):
    """Job of an array in cells of the tiny library."""
    return Job(
        design=of_unit(parse_array(size, parse_mac(text)), **options),
        library=LIBRARY,
        recipe="default",
    )


@pytest.mark.parametrize("text", tiers(["e2m1:p3109", "int4,lanes=2"], ["e2m1:p3109"]))
def test_results_are_those_of_the_model_and_shares_add_up(text):
    measured = job(text)
    spec = measured.design.array
    found = {
        stream: measure_array_energy(measured.mapped, spec, LIBRARY, stream)
        for stream in ("zeros", "gaussian")
    }
    for energies in found.values():
        assert energies.results == TILES * spec.rows * spec.cols
        assert energies.macs == (TILES - 1) * DEPTH * spec.rows * spec.cols * spec.mac.lanes
        assert 0 < energies.clock < energies.registers < energies.per_mac
    assert found["zeros"].per_mac < found["gaussian"].per_mac


def test_hierarchy_and_flat_netlist_take_nearly_the_same():
    # So small an array has much at its edges, which is less when mapped as a whole.
    by_parts, whole = (job("int4,acc=int12", flat=flat) for flat in (False, True))
    first, second = (
        measure_array_energy(one.mapped, one.design.array, LIBRARY, "gaussian")
        for one in (by_parts, whole)
    )
    assert first.per_mac == pytest.approx(second.per_mac, rel=0.2)


def test_wrong_netlist_of_an_array_is_reported():
    measured = job("int4,acc=int12")
    element = measured.design.element
    start = measured.mapped.verilog.index(f"module {element}")
    broken = measured.mapped.verilog[:start] + re.sub(
        r"\bXOR2\b|\bNAND2\b", "NOR2", measured.mapped.verilog[start:], count=1
    )
    assert broken != measured.mapped.verilog
    with pytest.raises(
        NetlistMismatch,
        match=r"^Netlist of array_2x2_os_int4_fx12 must give the "
        r"tdata of the model$",
    ):
        measure_array_energy(
            replace(measured.mapped, verilog=broken), measured.design.array, LIBRARY, "uniform"
        )


def test_what_has_no_energy_is_reported():
    spec = parse_array("2x2", parse_mac("int4"))
    mapped = job("int4").mapped
    message = f"Stream must be one of {', '.join(ARRAY_STREAMS)}, not 'digits1'"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        measure_array_energy(mapped, spec, LIBRARY, "digits1")
    tall = parse_array("65x2", parse_mac("int4"))
    with pytest.raises(
        SpecError,
        match=r"^Array must be output stationary, of at most 64 rows and "
        r"without output stages, not '.*array=65x2.*'$",
    ):
        measure_array_energy(mapped, tall, LIBRARY, "uniform")
    told = energy_part(Job(design=replace(job("int4").design, array=tall), library=LIBRARY))
    assert told.not_done == ("energy (of output-stationary arrays that give sums only)",)


def test_record_has_energy_of_each_stream():
    part = energy_part(job("int4,acc=int12"))
    assert {f"energy_{stream}" for stream in ARRAY_STREAMS} <= part.metrics.keys()
    assert part.metrics["energy_results_checked"].value == len(ARRAY_STREAMS) * TILES * 4
    assert part.not_done == ("glitches of arrays",)
