# SPDX-License-Identifier: Apache-2.0
"""Named specs, used at every level: model, RTL in a simulator, compiled RTL, stored hashes."""

from hw.spec import ArraySpec, MacSpec, parse_array, parse_gemm, parse_mac


def _macs(*spellings: str) -> dict[str, MacSpec]:
    """MACs by their spelling."""
    return {spelling: parse_mac(spelling) for spelling in spellings}


def _arrays(*spellings: str) -> dict[str, ArraySpec]:
    """Arrays by their spelling ``SIZE:MAC`` or ``SIZE:MAC,out=STAGE``."""
    return {spelling: _array(spelling) for spelling in spellings}


def _array(spelling: str, **dataflow) -> ArraySpec:
    """Array of one spelling."""
    size, _, unit = spelling.partition(":")
    mac, _, out = unit.partition(",out=")
    return parse_array(size, mac, out=out or None, **dataflow)


def _weight_arrays(*spellings: str) -> dict[str, ArraySpec]:
    """Weight-stationary arrays by their spelling: as above, with ``xDEPTH`` behind the size."""
    return {spelling: _weight_array(spelling) for spelling in spellings}


def _weight_array(spelling: str) -> ArraySpec:
    """Weight-stationary array of one spelling."""
    shape, _, unit = spelling.partition(":")
    size, _, depth = shape.rpartition("x")
    return _array(f"{size}:{unit}", dataflow="ws", depth=int(depth))


#: Every pair of operand codes goes through these in each simulator.
EXHAUSTED_MACS = _macs("e4m3", "e5m2", "e3m4", "e2m5", "int8", "e4m3xe5m2")

#: The rest of what a fixed-point MAC can be: other policies for special codes, unsigned and narrow
#: operands, accumulators that wrap, saturate and round, registers before the accumulator,
#: lanes, adders and multipliers.
VARIED_MACS = _macs(
    "int8,acc=int27",
    "int8,acc=int17",
    "int8,acc=int20-sat",
    "e2m3,acc=exact:1",
    "e4m3,acc=fx40m18s",
    "e4m3,acc=fx32m10",
    "e5m2,acc=fx48m12t",
    "e4m3fnuz",
    "e5m2fnuz",
    "binary8p3e",
    "binary8p4",
    "e4m3:ieee",
    "e4m3:fn-daz",
    "e2m1",
    "e3m2",
    "uint8",
    "int8xuint8",
    "int4xe4m3",
    "e2m1xe5m2",
    "e4m3,pipeline=1",
    "e5m2xe4m3,pipeline=2",
    "int8,pipeline=3",
    "int8,lanes=4",
    "e4m3,lanes=3",
    "e5m2,lanes=2,pipeline=1",
    "int8,acc=int27,multiplier=array",
    "uint8xint8,multiplier=array",
    "e2m5,multiplier=booth",
    "int8,adder=prefix",
    "int8,adder=inferred,multiplier=inferred",
    "e4m3,lanes=2,adder=inferred,multiplier=inferred",
    "e4m3,acc=fx40m18s,adder=prefix",
    "e3m4,lanes=2,adder=prefix",
    "int8,acc=int27,adder=carry-save",
    "int8,lanes=3,adder=carry-save,multiplier=array",
    "int4,acc=int9,adder=carry-save",
    "e4m3,adder=carry-save",
    "e5m2,pipeline=1,adder=carry-save",
    "e4m3xe5m2,lanes=2,adder=carry-save",
    "e4m3,acc=fx32m10,adder=carry-save",
)

MACS = EXHAUSTED_MACS | VARIED_MACS

#: Floating-point accumulators: IEEE and other operands, integers, terms wider than the accumulator,
#: rounding, overflow and subnormals as options, lanes, registers, adders and multipliers.
FLOAT_MACS = _macs(
    "e4m3,acc=fp16",
    "e4m3,acc=fp32",
    "e4m3,acc=bf16",
    "e5m2,acc=fp16",
    "e5m2,acc=fp32,pipeline=1",
    "e2m5,acc=bf16",
    "int8,acc=fp32",
    "int8,acc=fp16",
    "int8,acc=fp16,lanes=8",
    "uint8,acc=bf16-rtz",
    "int8xe4m3,acc=fp16,pipeline=2",
    "e5m2xe4m3,acc=fp16-sat",
    "e4m3fnuz,acc=fp16-ftz",
    "binary8p3e,acc=fp16-rtz",
    "e4m3:ieee,acc=fp32-rtz",
    "e2m1,acc=e5m2",
    "e5m2,acc=e3m4-ftz",
    "int4,acc=e3m4-sat",
    "fp16,acc=fp32",
    "bf16,acc=bf16",
    "e4m3:fn-daz,acc=fp16",
    "e5m2:ieee-dazxe4m3,acc=fp32",
    "int8xe4m3:fnuz-daz,acc=fp16-sat",
    "e4m3,acc=fp32,lanes=4",
    "e5m2,acc=fp16,lanes=2,pipeline=3",
    "int8,acc=bf16,lanes=3",
    "e4m3:fn-dazxe5m2,acc=bf16,lanes=2",
    "e4m3,acc=fp16,adder=prefix",
    "e4m3,acc=fp16,adder=inferred,multiplier=inferred",
    "e5m2,acc=fp32,lanes=2,adder=prefix",
    "bf16,acc=fp32,multiplier=booth",
)

#: Tensor-core accumulators: the presets, windows narrower and wider than a product, results below
#: the accumulator's normal values, integers, registers.
ALIGNED_MACS = _macs(
    "e4m3,acc=hopper",
    "e5m2xe4m3,acc=ada,pipeline=1",
    "e5m2,acc=aligned:25,lanes=3",
    "e4m3,acc=aligned:3,lanes=2",
    "e5m2,acc=aligned:1",
    "int8,acc=aligned:9,lanes=4,pipeline=2",
    "e2m1xint4,acc=aligned:13,lanes=3",
    "e4m3:fn-dazxe5m2,acc=aligned:13,lanes=3",
    "binary8p3e,acc=aligned:13,lanes=2",
    "fp16,acc=aligned:16,lanes=3",
    "bf16,acc=aligned:25,lanes=2",
)

#: Square, wide, tall and single arrays, with 0, 1 and 2 bits of flags, sums resolved at the edge,
#: output stages at the drain.
ARRAYS = _arrays(
    "4x4:e4m3",
    "4x4:int8",
    "2x8:e5m2",
    "2x8:int8",
    "8x2:e4m3",
    "8x2:e4m3xe5m2,pipeline=2",
    "1x1:e4m3",
    "1x1:int8",
    "1x3:e5m2",
    "3x1:int8xuint8",
    "3x5:e2m1",
    "3x2:int8,acc=int20-sat,pipeline=1",
    "2x2:e4m3,lanes=2",
    "3x2:e4m3,acc=fp16",
    "3x2:e5m2,adder=carry-save",
    "2x3:int8,pipeline=1,adder=carry-save",
    "1x1:e4m3,adder=carry-save",
    "2x2:int8,adder=prefix,multiplier=array",
    "2x3:e4m3,out=e4m3,scale=fp32",
    "4x2:int8,acc=int20,out=int8,scale=pow2,zero_point=yes",
    "1x1:e4m3,acc=fp32,out=bf16,saturate=no",
    "3x2:e4m3,acc=aligned:13,lanes=2,out=e5m2,saturate=no,scale=fp32",
    "2x2:e5m2,adder=carry-save,out=int4,zero_point=yes",
    "2x1:e2m1,out=fp32,saturate=no",
)

#: Weight stationary: every kind of accumulator, registers before and in the adder and before the
#: multiplier, lanes, flags, sums that are resolved at the edge, output stages, small memories.
WEIGHT_ARRAYS = _weight_arrays(
    "3x2x5:int8",
    "2x3x4:e5m2",
    "4x4x9:e4m3",
    "1x1x2:e4m3",
    "1x4x7:int8,acc=int20-sat,pipeline=1",
    "5x1x8:e4m3xe5m2,pipeline=2",
    "2x2x6:int8,lanes=2,pipeline=3",
    "3x2x5:e4m3,acc=fp16,pipeline=2",
    "2x2x6:e5m2,acc=fp32",
    "2x3x5:e4m3,acc=bf16,lanes=2,adder=prefix",
    "2x3x6:e4m3,acc=aligned:13,lanes=4,pipeline=1",
    "2x2x5:e5m2,adder=carry-save",
    "2x3x4:int8,pipeline=1,adder=carry-save",
    "2x3x4:e4m3,out=e4m3,scale=fp32",
    "3x2x5:int8,acc=int20,out=int8,scale=pow2,zero_point=yes",
    "3x2x7:e4m3,acc=fp32,pipeline=3",
    "2x2x5:e5m2,acc=fp16-rtz,pipeline=4,adder=prefix",
    "2x1x4:e4m3xe5m2,acc=bf16,lanes=2,pipeline=5",
    "2x2x9:int8,acc=fp16,pipeline=4",
    "2x2x4:e5m2,pipeline=3",
    "2x2x6:e4m3,acc=fx32m10,lanes=3,pipeline=4,adder=prefix",
    "2x2x9:int8,acc=int20-sat,pipeline=3",
    "2x2x6:e5m2xe4m3,acc=aligned:13,lanes=2,pipeline=4",
)

LARGE_ARRAYS = _arrays("16x16:e4m3", "16x16:int8", "12x10:e2m1")

#: Engines: both buses, flags, lanes, sums in floating point, output stages with settings, memories
#: whose depth is no power of two, sides that are none either.
GEMMS = {f"{array}:{bus}:{depths}": parse_gemm(_array(array), depths=depths, bus=bus)
         for array, bus, depths in (
             ("4x4:int8", "axi4lite", "64x64x64"),
             ("4x4:e4m3", "wishbone", "64x48x40"),
             ("3x2:e4m3,acc=fp16", "axi4lite", "50x70x33"),
             ("2x3:e4m3,acc=fp16,lanes=3", "wishbone", "24x40x24"),
             ("1x1:int8", "wishbone", "16x16x16"),
             ("3x5:int8,acc=int20,out=int8,scale=pow2,zero_point=yes", "axi4lite", "40x64x30"),
             ("5x3:e5m2,acc=fp32,lanes=2,out=e4m3,scale=fp32", "wishbone", "64x64x64"),
             # Quick to simulate: Icarus takes ten times as long for several lanes into fp16.
             ("2x3:int4,acc=int12,lanes=3", "wishbone", "24x40x24"),
         )}

#: Weight stationary; besides, registers in the adder, sums that are resolved at the edge, operands
#: of which only B, A or none has a minus zero, memories that hold less than a pass.
WEIGHT_GEMMS = {f"{array}:{bus}:{depths}": parse_gemm(_weight_array(array), depths=depths, bus=bus)
                for array, bus, depths in (
                    ("3x2x4:e4m3,acc=fp16", "axi4lite", "50x33x70"),
                    ("2x3x5:e4m3,acc=fp16-rtz,lanes=3,pipeline=4", "wishbone", "40x24x24"),
                    ("4x4x9:int8", "axi4lite", "64x64x64"),
                    ("4x3x6:e5m2", "wishbone", "64x48x40"),
                    ("1x1x2:int8", "wishbone", "16x16x16"),
                    ("3x5x7:int8xe4m3,acc=fp32", "axi4lite", "30x40x64"),
                    ("5x3x8:e5m2,acc=fp32,lanes=2,pipeline=3,out=e4m3,scale=fp32", "wishbone",
                     "64x64x64"),
                    ("5x2x5:int8,acc=int20,out=int8,scale=pow2,zero_point=yes", "axi4lite",
                     "20x4x20"),
                    ("2x3x4:int8,pipeline=1,adder=carry-save", "axi4lite", "32x32x32"),
                )}
