# SPDX-License-Identifier: Apache-2.0
"""An array's RTL and its cycle-accurate model on the same inputs, register by register.

Pipeline registers of MACs hold products as sign, significand and exponent, or as a sign and a
magnitude; the model keeps the operands. Both must come to the same number, signs of zeros too.
"""

import math
import subprocess
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hw.build import generate
from hw.mac.align_window import AlignWindow
from hw.mac.carry_save import carry_save_state
from hw.spec import Adder, AlignedAccumulator, Dataflow, FloatAccumulator
from sim.cycle import Inputs, array
from sim.cycle.wires import Wires, wires
from sim.fast.numbers import values
from sim.trace.waves import samples

CYCLES = 300
BENCH = """module bench; reg clk = 0, rst, av, al, bv, bl, cr; reg [1:0] au; reg [A-1:0] a;
reg [B-1:0] b; reg [S-1:0] s; reg [A+B+S+7:0] rows [0:N-1]; integer i;
TOP dut(.clk(clk), .rst(rst), .s_axis_a_tvalid(av), .s_axis_a_tdata(a), .s_axis_a_tlast(al),
  BESIDE .s_axis_b_tvalid(bv), .s_axis_b_tdata(b), .s_axis_b_tlast(bl), .m_axis_c_tready(cr));
initial begin $readmemh("rows.hex", rows); $dumpfile("x.vcd"); $dumpvars(0, DUMPED);
  for (i = 0; i < N; i = i + 1) begin {au, rst, av, al, bv, bl, cr, a, b, s} = rows[i];
    #5 clk = 1; #5 clk = 0; end end endmodule
"""
#: Outputs of the RTL that are compared, and what the model calls them.
SHAKES = {
    "s_axis_a_tready": "a_tready",
    "s_axis_b_tready": "b_tready",
    "m_axis_c_tvalid": "c_tvalid",
}
USER = ".s_axis_a_tuser(au),"


class Product(NamedTuple):
    """Registers of one product: names by role, their stage, row, lane and column, and meaning."""

    names: dict[str, str]
    stage: int
    place: tuple[int, int, int]
    value: Callable[[dict[str, int]], float]


def products(spec):
    """Every product in a pipeline register; integers that are fused have none."""
    mac = spec.mac
    if spec.dataflow is not Dataflow.OS or not mac.pipeline or mac.is_fused:
        return []
    return [
        Product(
            {role: f"grid.row_{r}.pe_{c}.mac.{name}_q1" for role, name in names.items()},
            stage,
            (r, lane, c),
            value,
        )
        for r in range(spec.rows)
        for c in range(spec.cols)
        for lane in range(mac.lanes)
        for names, stage, value in _kinds(mac, lane)
    ]


def held(product, seen):
    """Number in the RTL's registers; None if one of them was never written."""
    bits = {role: seen[f"bench.dut.{name}"] for role, name in product.names.items()}
    return None if None in bits.values() else product.value(bits)


def wanted(spec, product, model):
    """Product of the model's operands; zero for infinities and NaN if the sum is fixed-point."""
    (r, lane, c), mac = product.place, spec.mac
    codes = [int(codes[r, lane, c]) for codes in model.flight[product.stage][:2]]
    a, b = (float(values(fmt)[code]) for fmt, code in zip((mac.a, mac.b), codes, strict=True))
    if isinstance(mac.acc, FloatAccumulator) or (math.isfinite(a) and math.isfinite(b)):
        return a * b
    signs = [fmt.sign_code & code for fmt, code in zip((mac.a, mac.b), codes, strict=True)]
    return _number(bool(signs[0]) != bool(signs[1]), 0, 0)


def _kinds(mac, lane):
    """Names by role, stage and meaning of the registers of one lane."""
    last = mac.pipeline - 1
    if isinstance(mac.acc, FloatAccumulator):
        return [_term(mac, last)] * (mac.lanes == 1)
    base = sum(not fmt.is_integer for fmt in (mac.a, mac.b))
    parts = {part: f"lane{lane}_{part}" for part in ("sig", "exp", "sign")}
    aligned = isinstance(mac.acc, AlignedAccumulator)
    found = [
        (
            parts,
            last if aligned else max(last - 1, 0),
            lambda bits: _number(bits["sign"], bits["sig"], bits["exp"] - base + mac.product_lsb),
        )
    ]
    if not aligned and mac.pipeline > 1:
        found.append(
            (
                {"sign": f"lane{lane}_term_sign", "sig": f"lane{lane}_term"},
                last,
                lambda bits: _number(bits["sign"], bits["sig"], mac.acc.lsb_exp),
            )
        )
    return found


def _number(sign, sig, exp):
    return math.copysign(math.ldexp(sig, exp), -1 if sign else 1)


def _term(mac, stage):
    """Term of a floating-point adder, see `hw.mac.float_term.Term`."""
    frame = AlignWindow(mac)
    moves = frame.exponent_low != frame.exponent_high
    roles = [
        "sign",
        "sig",
        *["place"] * moves,
        *["zero"] * frame.shape.leads,
        *["nan"] * frame.nan_terms,
        *["inf"] * frame.inf_terms,
    ]

    def value(bits):
        if bits.get("nan"):
            return math.nan
        if bits.get("inf"):
            return math.copysign(math.inf, -1 if bits["sign"] else 1)
        place = bits.get("place", frame.exponent_high & (1 << frame.exponent_bits) - 1)
        place -= place >> frame.exponent_bits - 1 << frame.exponent_bits
        return _number(
            bits["sign"],
            0 if bits.get("zero") else bits["sig"],
            place - frame.bias - frame.shape.bits + 1,
        )

    return {role: f"term_{role}" for role in roles}, stage, value


def stimulus(spec, seed, b_last=None):
    """Random inputs: every stream stalls, tiles end at random, the array is reset at times.

    ``b_last`` marks the cycles in which a tile of B ends; by default tiles end with those of A.
    """
    rng, mac, rows = np.random.default_rng(seed), spec.mac, []
    for cycle in range(CYCLES):
        calm = cycle % 100 < 60
        last = rng.random() < 0.2
        odd = rng.random() < 0.01
        ends = last if b_last is None else b_last[cycle]
        rows.append(
            Inputs(
                rng.random() < (0.95 if calm else 0.5),
                rng.integers(0, 1 << mac.a.width, (spec.rows, mac.lanes)),
                last,
                rng.random() < (0.95 if calm else 0.6),
                rng.integers(0, 1 << mac.b.width, (spec.cols, mac.lanes)),
                ends ^ odd,
                rng.random() < (0.9 if calm else 0.4),
                cycle < 2 or rng.random() < 0.01,
                int(rng.integers(0, 4)) if spec.dataflow is Dataflow.WS else 0,
                *(beside(rng, spec, *port) for port in settings(spec)),
            )
        )
    return rows


def settings(spec):
    """Ports of the output stages: name, bits of a column, and whether they are a signed number."""
    out = spec.out
    ports = (
        (
            ("c_scale", out.scale_bits, out.scale_bits == 8),
            ("c_zero_point", out.zero_point_bits, out.to.signed),
        )
        if out
        else ()
    )
    return [(name, width, signed) for name, width, signed in ports if width or name == "c_scale"]


def beside(rng, spec, name, width, signed):
    """Value of a port of the output stages for each column."""
    codes = rng.integers(0, 1 << width, spec.cols)
    return codes - (codes >> width - 1 << width) if width and signed else codes


def packed(codes, width):
    """Codes concatenated, the first one in the low bits."""
    return sum(int(code) << place * width for place, code in enumerate(np.ravel(codes)))


def waveform(spec, rows, folder, names):
    """Registers, memory words and ports of the RTL of these names, in each cycle."""
    generate(spec, folder)
    mac = spec.mac
    a, b = (
        -(-side * mac.lanes * fmt.width // 8) * 8
        for side, fmt in ((spec.rows, mac.a), (spec.cols, mac.b))
    )
    ports = [(name, spec.cols * width) for name, width, _ in settings(spec) if width]
    s = max(sum(width for _, width in ports), 1)
    bench = BENCH.replace("BESIDE", connections(spec, ports)).replace(
        "DUMPED", ", ".join(["clk", *map(verilog, names)])
    )
    for name, value in (("[A-1", a), ("[B-1", b), ("[S-1", s)):
        bench = bench.replace(name, f"[{value - 1}")
    bench = bench.replace("A+B+S+7", str(a + b + s + 7)).replace("N-1", str(len(rows) - 1))
    bench = bench.replace("< N", f"< {len(rows)}").replace("TOP", spec.name)
    (folder / "bench.v").write_text(bench)
    text = []
    for row in rows:
        bits = [
            row.c_tready,
            row.b_tlast,
            row.b_tvalid,
            row.a_tlast,
            row.a_tvalid,
            row.rst,
            row.a_tuser & 1,
            row.a_tuser >> 1,
        ]
        data = packed(row.b_tdata, mac.b.width) | packed(row.a_tdata, mac.a.width) << b
        settled, place = 0, 0
        for name, width in ports:
            one = width // spec.cols
            settled |= packed(getattr(row, name) & (1 << one) - 1, one) << place
            place += width
        text.append(f"{(packed(bits, 1) << a + b | data) << s | settled:x}")
    (folder / "rows.hex").write_text("\n".join(text))
    subprocess.run(
        ["iverilog", "-g2012", "-s", "bench", "-o", "x", "bench.v", f"{spec.name}.v"],
        cwd=folder,
        check=True,
    )
    subprocess.run(["vvp", "x"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return list(samples(folder / "x.vcd", "bench.clk"))


def verilog(name):
    """Name below the top in Verilog syntax, escaped if it ends in a keyword."""
    *scopes, own = ["bench", "dut", *name.split(".")]
    return ".".join([*scopes, own if own.endswith("]") else f"\\{own} "])


def connections(spec, ports):
    """Ports that not every array has."""
    place, found = 0, [USER] * (spec.dataflow is Dataflow.WS)
    for name, width in ports:
        found.append(f".{name}(s[{place + width - 1}:{place}]),")
        place += width
    return " ".join(found)


def registers(model, groups):
    """Expected values of the RTL's registers, by name below the top."""
    found = {
        name: int(bits)
        for group in groups
        for name, bits in zip(group.names, group.read(model), strict=True)
    }
    assert all(0 <= found[name] < 1 << group.width for group in groups for name in group.names)
    return found


def memory(spec):
    """Words of the memories of sums."""
    columns = range(spec.cols) if spec.depth else ()
    return [
        Wires(
            [f"grid.memory.sums_{c}.memory[{word}]" for word in range(spec.depth)],
            spec.mac.acc.width + spec.mac.flag_bits,
            lambda x, c=c: sums(spec.mac, *x.memory[:, : spec.depth, c]),
        )
        for c in columns
    ]


def saved(spec):
    """Sums that the RTL keeps in carry-save form; the model has the resolved sum."""
    if spec.mac.adder is not Adder.CARRY_SAVE:
        return []
    width = spec.mac.acc.width + spec.mac.flag_bits
    places = [f"grid.row_{r}.pe_{c}" for r in range(spec.rows) for c in range(spec.cols)]
    columns = [f"grid.memory.sums_{c}" for c in range(spec.cols)]
    found = {
        Dataflow.OS: [
            ("mac.o_data", places, lambda x: (x.acc, x.flags * 0)),
            ("north_c", places, lambda x: (x.result_q, x.result_flags)),
        ],
        Dataflow.WS: [
            ("step.o_sum", places, lambda x: (x.acc, x.flags)),
            ("before", columns, lambda x: x.before),
            ("now__data", columns, lambda x: x.read),
        ],
    }[spec.dataflow]
    return [
        Wires(
            [f"{scope}.{name}" for scope in scopes],
            width,
            lambda x, read=read: sums(spec.mac, *map(np.ravel, read(x))),
        )
        for name, scopes, read in found
    ] + memory(spec)


def resolved(spec, kept):
    """Sum and flags in the bits of a register of `saved`, see `CarrySaveState`."""
    if kept is None:
        return None
    parts, width = carry_save_state(spec.mac), spec.mac.acc.width
    total, above = kept & (1 << width) - 1, kept >> width
    carries = above & (1 << parts.top - parts.start) - 1
    up, down = (kept >> parts.bits - 2 + place & 1 for place in range(2))
    total += (carries << parts.start) + (up - down << parts.top)
    return total % (1 << width) | kept >> parts.bits << width


def sums(mac, data, flags):
    """Sums and flags as the RTL holds them."""
    return [
        int(one) % (1 << mac.acc.width) | int(flag) % (1 << mac.flag_bits) << mac.acc.width
        for one, flag in zip(data, flags, strict=True)
    ]


def lockstep(spec, rows, folder):
    """Compare every register, memory and handshake with the RTL in every cycle.

    Registers that the RTL never wrote are skipped. Returns counts: compared, unknown, beats of C.
    """
    apart = saved(spec)
    model, groups = array(spec), wires(spec) + (apart or memory(spec))
    apart = {name for group in apart for name in group.names}
    names = [name for group in groups for name in group.names]
    inner = products(spec)
    names += [name for product in inner for name in product.names.values()]
    trace = waveform(spec, rows, folder, [*names, *SHAKES])
    compared = unknown = finished = numbers = 0
    assert len(trace) == len(rows)
    for cycle, (row, seen) in enumerate(zip(rows, trace, strict=True)):
        for name, value in registers(model, groups).items():
            found = seen[f"bench.dut.{name}"]
            found = resolved(spec, found) if name in apart else found
            unknown += found is None
            compared += found is not None
            assert found in (None, value), (name, cycle, value)
        for product in inner:
            number = held(product, seen)
            numbers += number is not None
            assert number is None or repr(number) == repr(wanted(spec, product, model)), (
                product.names,
                cycle,
            )
        outputs = model.step(row)
        for port, name in SHAKES.items():
            assert seen[f"bench.dut.{port}"] == getattr(outputs, name), (name, cycle)
        finished += outputs.c_tvalid and row.c_tready
    assert numbers > len(inner) * len(rows) * 0.9 or not inner
    assert compared == len(rows) * sum(len(group.names) for group in groups) - unknown
    return compared, unknown, finished
