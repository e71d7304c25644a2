# SPDX-License-Identifier: Apache-2.0
"""What a planted fault is."""

from dataclasses import dataclass

__all__ = ["Fault", "array_test", "mac_test", "output_test"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One wrong text in the place of a right one.

    Parameters
    ----------
    name
        What goes wrong, in a few words.
    room
        RTL, Verilog, protocol, model or specification.
    file
        File that is changed; of a Verilog fault the spelling of the unit whose Verilog is.
    old, new
        Text that occurs exactly once, and what stands there instead.
    tests
        Tests of which at least one must fail.
    """

    name: str
    room: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mac_test(spelling: str) -> tuple[str, ...]:
    """What a MAC shows on its ports in sums."""
    return (f"tests/hw/test_mac_sums.py::test_mac_shows_every_sum_in_its_cycle[{spelling}]",)


def array_test(spelling: str) -> tuple[str, ...]:
    """Sums and streams of an array."""
    test = "test_array_keeps_its_sums_and_its_protocol"
    return (f"tests/hw/test_array_streams.py::{test}[{spelling}]",)


def output_test(spelling: str) -> tuple[str, ...]:
    """One output stage."""
    return (f"tests/hw/test_output.py::test_stage_alone[{spelling}]",)
