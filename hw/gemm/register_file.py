# SPDX-License-Identifier: Apache-2.0
"""The registers of a `RegisterMap` in hardware."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec.registers import BUS_BITS, BUS_BYTES, Access, Field, Register, RegisterMap

#: Fields that the hardware drives; other fields, except constants, are outputs to it.
_DRIVEN = {Access.STATUS, Access.STICKY}


def port_name(register: str, field: str) -> str:
    """Name of the port of a field, without the prefix ``i_`` or ``o_``."""
    return f"{register}_{field}".lower()


class RegisterFile(wiring.Component):
    """Decodes, stores and reads registers; the ports follow from the table.

    A read takes one cycle. A write takes effect at the next clock edge. A pulse is 1 during the
    cycle of the write.

    Members
    -------
    index
        Number of the register to read or write.
    w_en, w_data, w_strb
        A write; ``w_strb`` has one bit per byte.
    w_error
        The write is refused: the register does not exist, is locked or is read-only.
    r_data, r_error
        Value of the register that ``index`` selected in the previous cycle.
    lock
        Refuse writes to ``locked`` registers.
    refused
        A write to a locked register is refused.
    clear
        Clear all sticky fields, even those set in the same cycle.
    i_REGISTER_FIELD
        State of a field, or the signal that sets a sticky field.
    o_REGISTER_FIELD
        Value of a field, or its pulse.
    """

    def __init__(self, table: RegisterMap):
        self._table = table
        members = {
            "index": In((len(table.registers) - 1).bit_length()),
            "w_en": In(1),
            "w_data": In(BUS_BITS),
            "w_strb": In(BUS_BYTES),
            "w_error": Out(1),
            "r_data": Out(BUS_BITS),
            "r_error": Out(1),
            "lock": In(1),
            "refused": Out(1),
            "clear": In(1),
        }
        for register in table.registers:
            for field in register.fields:
                name = port_name(register.name, field.name)
                if field.access in _DRIVEN:
                    members[f"i_{name}"] = In(field.width)
                if field.access in (Access.STORED, Access.PULSE, Access.STICKY):
                    members[f"o_{name}"] = Out(field.width)
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"registers_{self._table.name}"

    def elaborate(self, platform):
        m = Module()
        mask = Cat(strobe.replicate(8) for strobe in self.w_strb)
        m.d.comb += self.w_error.eq(self.w_en)
        m.d.sync += [self.r_data.eq(0), self.r_error.eq(1)]
        with m.Switch(self.index):
            for place, register in enumerate(self._table.registers):
                with m.Case(place):
                    m.d.sync += [self.r_data.eq(self._value(register)), self.r_error.eq(0)]
                    self._write(m, register, mask)
        self._hold_sticky(m, mask)
        return m

    def _write(self, m, register: Register, mask):
        """Write one register."""
        writable = [
            field
            for field in register.fields
            if field.access not in (Access.CONSTANT, Access.STATUS)
        ]
        if not writable:
            return
        free = ~self.lock if register.locked else 1
        if register.locked:
            m.d.comb += self.refused.eq(self.w_en & self.lock)
        with m.If(self.w_en & free):
            m.d.comb += self.w_error.eq(0)
            for field in writable:
                port, bits = (
                    self._port("o", register, field),
                    slice(field.lsb, field.lsb + field.width),
                )
                if field.access is Access.STORED:
                    m.d.sync += port.eq(port & ~mask[bits] | self.w_data[bits] & mask[bits])
                elif field.access is Access.PULSE:
                    m.d.comb += port.eq(self.w_data[bits] & mask[bits])

    def _hold_sticky(self, m, mask):
        """Sticky fields: setting has priority over the write that clears."""
        for place, register in enumerate(self._table.registers):
            for field in register.fields:
                if field.access is not Access.STICKY:
                    continue
                port, bits = (
                    self._port("o", register, field),
                    slice(field.lsb, field.lsb + field.width),
                )
                written = (self.w_en & (self.index == place)).replicate(field.width)
                kept = port & ~(written & self.w_data[bits] & mask[bits])
                m.d.sync += port.eq(Mux(self.clear, 0, kept | self._port("i", register, field)))

    def _value(self, register: Register):
        """Value that a read of the register returns."""
        parts, place = [], 0
        for field in register.fields:
            parts += [Const(0, field.lsb - place), self._read(register, field)]
            place = field.lsb + field.width
        return Cat(parts)

    def _read(self, register: Register, field: Field):
        """Value that a read of the field returns."""
        if field.access is Access.CONSTANT:
            return Const(field.value, field.width)
        if field.access is Access.PULSE:
            return Const(0, field.width)
        return self._port("i" if field.access is Access.STATUS else "o", register, field)

    def _port(self, way: str, register: Register, field: Field):
        """Port of a field."""
        return getattr(self, f"{way}_{port_name(register.name, field.name)}")
