# SPDX-License-Identifier: Apache-2.0
"""Named specs, used at every level: model, RTL in a simulator, compiled RTL, stored hashes."""

from typing import Any

from hw.spec import ArraySpec, GemmSpec, MacSpec, parse_spec


def _specs(*spellings: str) -> dict[str, Any]:
    """Specs by their spelling."""
    return {spelling: parse_spec(spelling) for spelling in spellings}


#: Every pair of operand codes goes through these in each simulator.
EXHAUSTED_MACS: dict[str, MacSpec] = _specs("e4m3", "e5m2", "e3m4", "e2m5", "int8", "e4m3xe5m2")

#: The rest of what a fixed-point MAC can be: other policies for special codes, unsigned and narrow
#: operands, accumulators that wrap, saturate and round, registers before the accumulator,
#: lanes, adders and multipliers.
VARIED_MACS: dict[str, MacSpec] = _specs(
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
FLOAT_MACS: dict[str, MacSpec] = _specs(
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
ALIGNED_MACS: dict[str, MacSpec] = _specs(
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
ARRAYS: dict[str, ArraySpec] = _specs(
    "e4m3,array=4x4",
    "int8,array=4x4",
    "e5m2,array=2x8",
    "int8,array=2x8",
    "e4m3,array=8x2",
    "e4m3xe5m2,pipeline=2,array=8x2",
    "e4m3,array=1x1",
    "int8,array=1x1",
    "e5m2,array=1x3",
    "int8xuint8,array=3x1",
    "e2m1,array=3x5",
    "int8,acc=int20-sat,pipeline=1,array=3x2",
    "e4m3,lanes=2,array=2x2",
    "e4m3,acc=fp16,array=3x2",
    "e5m2,adder=carry-save,array=3x2",
    "int8,pipeline=1,adder=carry-save,array=2x3",
    "e4m3,adder=carry-save,array=1x1",
    "int8,adder=prefix,multiplier=array,array=2x2",
    "e4m3,array=2x3,out=e4m3,scale=fp32",
    "int8,acc=int20,array=4x2,out=int8,scale=pow2,zero_point=yes",
    "e4m3,acc=fp32,array=1x1,out=bf16,saturate=no",
    "e4m3,acc=aligned:13,lanes=2,array=3x2,out=e5m2,saturate=no,scale=fp32",
    "e5m2,adder=carry-save,array=2x2,out=int4,zero_point=yes",
    "e2m1,array=2x1,out=fp32,saturate=no",
)

#: Weight stationary: every kind of accumulator, registers before and in the adder and before the
#: multiplier, lanes, flags, sums that are resolved at the edge, output stages, small memories.
WEIGHT_ARRAYS: dict[str, ArraySpec] = _specs(
    "int8,array=3x2,dataflow=ws,depth=5",
    "e5m2,array=2x3,dataflow=ws,depth=4",
    "e4m3,array=4x4,dataflow=ws,depth=9",
    "e4m3,array=1x1,dataflow=ws,depth=2",
    "int8,acc=int20-sat,pipeline=1,array=1x4,dataflow=ws,depth=7",
    "e4m3xe5m2,pipeline=2,array=5x1,dataflow=ws,depth=8",
    "int8,lanes=2,pipeline=3,array=2x2,dataflow=ws,depth=6",
    "e4m3,acc=fp16,pipeline=2,array=3x2,dataflow=ws,depth=5",
    "e5m2,acc=fp32,array=2x2,dataflow=ws,depth=6",
    "e4m3,acc=bf16,lanes=2,adder=prefix,array=2x3,dataflow=ws,depth=5",
    "e4m3,acc=aligned:13,lanes=4,pipeline=1,array=2x3,dataflow=ws,depth=6",
    "e5m2,adder=carry-save,array=2x2,dataflow=ws,depth=5",
    "int8,pipeline=1,adder=carry-save,array=2x3,dataflow=ws,depth=4",
    "e4m3,array=2x3,dataflow=ws,depth=4,out=e4m3,scale=fp32",
    "int8,acc=int20,array=3x2,dataflow=ws,depth=5,out=int8,scale=pow2,zero_point=yes",
    "e4m3,acc=fp32,pipeline=3,array=3x2,dataflow=ws,depth=7",
    "e5m2,acc=fp16-rtz,pipeline=4,adder=prefix,array=2x2,dataflow=ws,depth=5",
    "e4m3xe5m2,acc=bf16,lanes=2,pipeline=5,array=2x1,dataflow=ws,depth=4",
    "int8,acc=fp16,pipeline=4,array=2x2,dataflow=ws,depth=9",
    "e5m2,pipeline=3,array=2x2,dataflow=ws,depth=4",
    "e4m3,acc=fx32m10,lanes=3,pipeline=4,adder=prefix,array=2x2,dataflow=ws,depth=6",
    "int8,acc=int20-sat,pipeline=3,array=2x2,dataflow=ws,depth=9",
    "e5m2xe4m3,acc=aligned:13,lanes=2,pipeline=4,array=2x2,dataflow=ws,depth=6",
)

LARGE_ARRAYS: dict[str, ArraySpec] = _specs(
    "e4m3,array=16x16", "int8,array=16x16", "e2m1,array=12x10"
)

#: Engines: both buses, flags, lanes, sums in floating point, output stages with settings, memories
#: whose depth is no power of two, sides that are none either.
GEMMS: dict[str, GemmSpec] = _specs(
    "int8,array=4x4,depths=64x64x64,bus=axi4lite",
    "e4m3,array=4x4,depths=64x48x40,bus=wishbone",
    "e4m3,acc=fp16,array=3x2,depths=50x70x33,bus=axi4lite",
    "e4m3,acc=fp16,lanes=3,array=2x3,depths=24x40x24,bus=wishbone",
    "int8,array=1x1,depths=16x16x16,bus=wishbone",
    "int8,acc=int20,array=3x5,out=int8,scale=pow2,zero_point=yes,depths=40x64x30,bus=axi4lite",
    "e5m2,acc=fp32,lanes=2,array=5x3,out=e4m3,scale=fp32,depths=64x64x64,bus=wishbone",
    # Quick to simulate: Icarus takes ten times as long for several lanes into fp16.
    "int4,acc=int12,lanes=3,array=2x3,depths=24x40x24,bus=wishbone",
)

#: Weight stationary; besides, registers in the adder, sums that are resolved at the edge, operands
#: of which only B, A or none has a minus zero, memories that hold less than a pass.
WEIGHT_GEMMS: dict[str, GemmSpec] = _specs(
    "e4m3,acc=fp16,array=3x2,dataflow=ws,depth=4,depths=50x33x70,bus=axi4lite",
    "e4m3,acc=fp16-rtz,lanes=3,pipeline=4,array=2x3,dataflow=ws,depth=5,depths=40x24x24,"
    "bus=wishbone",
    "int8,array=4x4,dataflow=ws,depth=9,depths=64x64x64,bus=axi4lite",
    "e5m2,array=4x3,dataflow=ws,depth=6,depths=64x48x40,bus=wishbone",
    "int8,array=1x1,dataflow=ws,depth=2,depths=16x16x16,bus=wishbone",
    "int8xe4m3,acc=fp32,array=3x5,dataflow=ws,depth=7,depths=30x40x64,bus=axi4lite",
    "e5m2,acc=fp32,lanes=2,pipeline=3,array=5x3,dataflow=ws,depth=8,out=e4m3,scale=fp32,"
    "depths=64x64x64,bus=wishbone",
    "int8,acc=int20,array=5x2,dataflow=ws,depth=5,out=int8,scale=pow2,zero_point=yes,"
    "depths=20x4x20,bus=axi4lite",
    "int8,pipeline=1,adder=carry-save,array=2x3,dataflow=ws,depth=4,depths=32x32x32,bus=axi4lite",
)
