# SPDX-License-Identifier: Apache-2.0
"""Port and protocol sheet of a generated unit, in Markdown."""

from typing import Any

from hw.emit import gemm_sheet
from hw.emit.streams import array_protocol, array_title
from hw.spec import ArraySpec, FixedAccumulator, Format, GemmSpec, MacSpec, OutputSpec, Scale

__all__ = ["sheet"]


def sheet(manifest: dict[str, Any], spec: MacSpec | ArraySpec | OutputSpec | GemmSpec) -> str:
    """Sheet for ``spec``; the port table is the manifest's."""
    if isinstance(spec, OutputSpec):
        title, numbers = _output_title(spec), _output_numbers(spec)
        protocol = _output_protocol(spec)
    elif isinstance(spec, ArraySpec):
        title, numbers = _title(spec), _array_numbers(spec)
        protocol = array_protocol(spec)
    elif isinstance(spec, GemmSpec):
        title, numbers = gemm_sheet.title(spec), _array_numbers(spec.array)
        protocol = gemm_sheet.protocol(spec)
    else:
        title, numbers, protocol = _title(spec), _numbers(spec), _mac_protocol(spec)
    parts = [f"# {spec.name}", "", title, "", "## Numbers", "", *numbers, "",
             "## Ports", "", "| port | direction | bits | meaning |", "|---|---|---|---|"]
    parts += [f"| `{p['name']}` | {p['direction']} | {p['width']} | {p['description']} |"
              for p in manifest["ports"]]
    return "\n".join([*parts, "", "## Protocol", "", *protocol, ""])


def _title(spec: MacSpec | ArraySpec) -> str:
    """What the unit computes."""
    if isinstance(spec, ArraySpec):
        return (array_title(spec)
                + (f" Each sum leaves as `{_result(spec.out, 'c')}`." if spec.out else ""))
    lanes = f" over {spec.lanes} lanes" if spec.lanes > 1 else ""
    return f"Multiply-accumulate unit `{spec}`: `acc += a * b`{lanes}, one step a cycle."


def _array_numbers(spec: ArraySpec) -> list[str]:
    """Formats, accumulator, and the codes of output stages."""
    return _numbers(spec.mac) + (_output_numbers(spec.out)[1:] if spec.out else [])


def _numbers(mac: MacSpec) -> list[str]:
    """Formats and accumulator."""
    lines = [f"- a: {_format(mac.a)}", f"- b: {_format(mac.b)}"]
    acc = mac.acc
    lines.append(f"- accumulator: {acc.description}")
    if not isinstance(acc, FixedAccumulator):
        return lines
    if acc.lsb > mac.product_lsb:
        lines.append(f"- each product is rounded ({acc.rounding.value}) to the accumulator's lsb")
    if mac.flag_bits:
        lines.append("- a product with a NaN or an infinity adds zero and raises the flags, which "
                     "stay up until the sum ends")
    return lines


def _format(fmt: Format) -> str:
    """One line on a format."""
    if fmt.is_integer:
        return f"`{fmt.name}`, {fmt.width} bits, {fmt.min:.8g} to {fmt.max:.8g}"
    return (f"`{fmt.name}`, {fmt.width} bits, {fmt.exp_bits} exponent and {fmt.man_bits} mantissa "
            f"bits, bias {fmt.bias}, specials `{fmt.specials.value}`, largest {fmt.max:.8g}, "
            f"smallest {fmt.min_subnormal:.8g}"
            + ("" if fmt.subnormals else ", subnormal codes mean zero"))


def _output_title(spec: OutputSpec) -> str:
    """What an output stage computes."""
    return f"Output stage `{spec}`: `o_data = {_result(spec, 'i')}`, one sum a cycle."


def _result(spec: OutputSpec, side: str) -> str:
    """What an output stage computes, as a formula; ``side`` begins the names of its inputs."""
    scale = {Scale.NONE: "", Scale.POW2: f" * 2^{side}_scale", Scale.FP32: f" * {side}_scale"}
    zero = f" + {side}_zero_point" if spec.zero_point else ""
    return f"{spec.to.name}(sum{scale[spec.scale]}){zero}"


def _output_numbers(spec: OutputSpec) -> list[str]:
    """Source and target of an output stage, and what becomes of values that do not fit."""
    to = spec.to
    if spec.saturate or not (to.has_inf or to.has_nan):
        beyond = "the largest value of their sign"
    else:
        beyond = "infinities" if to.has_inf else "NaN"
    nan = "NaN" if to.has_nan else "the zero point" if spec.zero_point else "zero"
    return [f"- sum: {spec.source.description}", f"- code: {_format(to)}",
            "- rounded once, to nearest, ties to even",
            f"- values beyond the largest one and infinities become {beyond}; NaN becomes {nan}"]


def _output_protocol(spec: OutputSpec) -> list[str]:
    """Timing of an output stage."""
    return [
        "- Synchronous to the rising edge of `clk`; `rst` is synchronous and active high.",
        f"- `o_valid` and `o_data` follow `i_valid` and the sum by {spec.latency} cycle(s).",
        "- `o_data` means nothing while `o_valid` is 0. A reset drops the sum in flight.",
    ]


def _mac_protocol(mac: MacSpec) -> list[str]:
    """Timing of a MAC."""
    return [
        "- Synchronous to the rising edge of `clk`; `rst` is synchronous and active high.",
        ("- Each cycle with `i_valid` accumulates one operand pair a lane. `i_first` starts a new "
        "sum with it, `i_last` ends one; both may be set at once."),
        (f"- `o_valid` is 1 for one cycle, {mac.latency} cycle(s) after the pair with `i_last`; "
        "`o_data` then is the sum."),
        ("- A reset drops what is in flight. The accumulator has no reset: it is undefined until "
        "the first `i_first`."),
    ]
