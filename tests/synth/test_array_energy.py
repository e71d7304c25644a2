# SPDX-License-Identifier: Apache-2.0
"""Energy of arrays: results held to the model, a share that adds up, what is refused."""

import re
from dataclasses import replace

import pytest

from hw.spec import SpecError, parse_array, parse_mac
from synth.flow.design import of_unit
from synth.flow.liberty import read
from synth.measure import Job, energy
from synth.power.energy import ARRAY_STREAMS, TILES, NetlistMismatch, measure_array_energy
from synth.power.streams import DEPTH
from tests.support.cell_libraries import TINY
from tests.support.tiers import tiers

LIBRARY = read([TINY])


def job(text, size="2x2", **options):
    """Job of an array in cells of the tiny library."""
    return Job(design=of_unit(parse_array(size, parse_mac(text)), **options), library=LIBRARY,
               recipe="default")


@pytest.mark.parametrize("text", tiers(["e2m1:p3109", "int4,lanes=2"], ["e2m1:p3109"]))
def test_results_are_those_of_the_model_and_shares_add_up(text):
    measured = job(text)
    spec = measured.design.array
    found = {stream: measure_array_energy(measured.mapped, spec, LIBRARY, stream)
             for stream in ("zeros", "gaussian")}
    for energies in found.values():
        assert energies.results == TILES * spec.rows * spec.cols
        assert energies.macs == (TILES - 1) * DEPTH * spec.rows * spec.cols * spec.mac.lanes
        assert 0 < energies.clock < energies.registers < energies.per_mac
    assert found["zeros"].per_mac < found["gaussian"].per_mac


def test_hierarchy_and_flat_netlist_take_nearly_the_same():
    # So small an array has much at its edges, which is less when mapped as a whole.
    by_parts, whole = (job("int4,acc=int12", flat=flat) for flat in (False, True))
    first, second = (measure_array_energy(one.mapped, one.design.array, LIBRARY, "gaussian")
                     for one in (by_parts, whole))
    assert first.per_mac == pytest.approx(second.per_mac, rel=0.2)


def test_wrong_netlist_is_told():
    measured = job("int4,acc=int12")
    element = measured.design.element
    start = measured.mapped.verilog.index(f"module {element}")
    broken = measured.mapped.verilog[:start] + re.sub(
        r"\bXOR2\b|\bNAND2\b", "NOR2", measured.mapped.verilog[start:], count=1)
    assert broken != measured.mapped.verilog
    with pytest.raises(NetlistMismatch, match=r"^Netlist of array_2x2_os_int4_fx12 must give the "
                                              r"tdata of the model$"):
        measure_array_energy(replace(measured.mapped, verilog=broken), measured.design.array,
                             LIBRARY, "uniform")


def test_what_has_no_energy_is_told():
    spec = parse_array("2x2", parse_mac("int4"))
    mapped = job("int4").mapped
    message = f"Stream must be one of {', '.join(ARRAY_STREAMS)}, not 'digits1'"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        measure_array_energy(mapped, spec, LIBRARY, "digits1")
    tall = parse_array("65x2", parse_mac("int4"))
    with pytest.raises(SpecError, match=r"^Array must be output stationary, of at most 64 rows and "
                                        r"without output stages, not '.*array=65x2.*'$"):
        measure_array_energy(mapped, tall, LIBRARY, "uniform")
    told = energy(Job(design=replace(job("int4").design, array=tall), library=LIBRARY))
    assert told.not_done == ("energy (of output-stationary arrays that give sums only)",)


def test_record_has_energy_of_each_stream():
    part = energy(job("int4,acc=int12"))
    assert {f"energy_{stream}" for stream in ARRAY_STREAMS} <= part.metrics.keys()
    assert part.metrics["energy_results_checked"].value == len(ARRAY_STREAMS) * TILES * 4
    assert part.not_done == ("glitches of arrays",)
