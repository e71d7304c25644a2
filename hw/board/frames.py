# SPDX-License-Identifier: Apache-2.0
"""Converts bytes to requests, and replies to bytes; see `hw.spec.board`."""

from amaranth import *
from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out

from hw.spec.board import (
    CRC_BITS,
    CRC_POLYNOMIAL,
    ESCAPE,
    FLAG,
    FLIP,
    MAX_WORDS,
    WORD_BYTES,
    Code,
)

WORD_BITS = 8 * WORD_BYTES
#: Sequence and command of a request, or sequence and code of a reply.
HEAD_BYTES = 2
CRC_BYTES = CRC_BITS // 8
#: Most bytes in a frame.
MAX_BYTES = HEAD_BYTES + MAX_WORDS * WORD_BYTES + CRC_BYTES


def _processor():
    """Frame check sequence, one byte per cycle."""
    ones = (1 << CRC_BITS) - 1
    algorithm = crc.Algorithm(
        crc_width=CRC_BITS,
        polynomial=CRC_POLYNOMIAL,
        initial_crc=ones,
        reflect_input=True,
        reflect_output=True,
        xor_output=ones,
    )
    return algorithm(data_width=8).create()


class Deframer(wiring.Component):
    """Unpacks frames: writes the payload to a buffer, and keeps the rest until it is released.

    A wrong frame is kept too, with a code that gives the reason. If bytes were dropped while a
    frame was kept, code OVERRUN follows. Consecutive flags are not frames.

    Members
    -------
    data, valid, wrong
        A byte, and whether it had no stop bit.
    w_en, w_addr, w_data
        Write port of the buffer: words of the payload, then the check.
    waiting
        There is a frame; it is kept until ``release``.
    code
        `Code.OK`, or what is wrong with the frame.
    sequence, command, words
        Fields of the frame, and the number of words in its payload.
    release
        The frame has been answered.
    """

    data: In(8)
    valid: In(1)
    wrong: In(1)
    w_en: Out(1)
    w_addr: Out(range(MAX_WORDS + 1))
    w_data: Out(WORD_BITS)
    waiting: Out(1)
    code: Out(Code)
    sequence: Out(8)
    command: Out(8)
    words: Out(range(MAX_WORDS + 1))
    release: In(1)

    def __init__(self):
        super().__init__()
        #: Bytes of a word received so far.
        self._last = Signal(WORD_BITS - 8)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return "deframer"

    def elaborate(self, platform):
        m = Module()
        m.submodules.check = check = _processor()
        count, escaped = Signal(range(MAX_BYTES + 2)), Signal()
        framing, lost, skip, flag, stays = (Signal() for _ in range(5))
        plain = Signal(8)
        m.d.comb += [
            flag.eq(self.valid & ~self.wrong & (self.data == FLAG)),
            stays.eq(self.waiting & (~self.release | lost)),
            plain.eq(Mux(escaped, self.data ^ FLIP, self.data)),
            check.data.eq(plain),
            self.w_data.eq(Cat(self._last, plain)),
            self.w_addr.eq((count - HEAD_BYTES)[2:]),
        ]
        begin = [count.eq(0), escaped.eq(0), framing.eq(0)]
        with m.If(self.release):
            # Report dropped bytes next.
            m.d.sync += [self.waiting.eq(lost), self.code.eq(Code.OVERRUN), lost.eq(0)]
        with m.If(flag):
            m.d.sync += [skip.eq(0), *begin]
            m.d.comb += check.start.eq(1)
            with m.If(~stays & ~skip & ((count != 0) | escaped | framing)):
                m.d.sync += [
                    self.waiting.eq(1),
                    self.words.eq((count - HEAD_BYTES - CRC_BYTES)[2:]),
                ]
                self._judge(m, count, escaped, framing, check)
        with m.Elif(self.valid & stays & ~skip):
            m.d.sync += [lost.eq(1), skip.eq(1)]
        with m.Elif(self.valid & ~skip):
            self._take(m, count, escaped, framing, plain, check)
        return m

    def _take(self, m, count, escaped, framing, plain, check):
        """Accept one byte inside a frame."""
        with m.If(self.wrong):
            m.d.sync += framing.eq(1)
        with m.Elif((self.data == ESCAPE) & ~escaped):
            m.d.sync += escaped.eq(1)
        with m.Elif(count <= MAX_BYTES):
            m.d.sync += [
                count.eq(count + 1),
                escaped.eq(0),
                self._last.eq(Cat(self._last[8:], plain)),
            ]
            m.d.comb += [
                check.valid.eq(1),
                self.w_en.eq(
                    (count >= HEAD_BYTES)
                    & (count < MAX_BYTES)
                    & ((count - HEAD_BYTES)[:2] == WORD_BYTES - 1)
                ),
            ]
            with m.If(count == 0):
                m.d.sync += self.sequence.eq(plain)
            with m.If(count == 1):
                m.d.sync += self.command.eq(plain)

    def _judge(self, m, count, escaped, framing, check):
        """Set the code of a frame that has ended."""
        whole = (
            (count >= HEAD_BYTES + CRC_BYTES)
            & (count <= MAX_BYTES)
            & ((count - HEAD_BYTES)[:2] == 0)
        )
        with m.If(framing):
            m.d.sync += self.code.eq(Code.FRAMING)
        with m.Elif(~check.match_detected | escaped):
            m.d.sync += self.code.eq(Code.CHECK)
        with m.Elif(~whole):
            m.d.sync += self.code.eq(Code.LENGTH)
        with m.Else():
            m.d.sync += self.code.eq(Code.OK)


class Framer(wiring.Component):
    """Sends a reply as a frame.

    Members
    -------
    start
        Start sending; the other inputs must not change until ``done``.
    sequence, code, words
        Fields of the reply, and the number of words in its payload.
    r_addr, r_data
        Read port of the payload; a word comes one cycle after its address.
    data, valid, ready
        Bytes.
    done
        The last byte has been accepted in this cycle.
    busy
        Between ``start`` and ``done``.
    """

    start: In(1)
    sequence: In(8)
    code: In(8)
    words: In(range(MAX_WORDS + 1))
    r_addr: Out(range(MAX_WORDS + 1))
    r_data: In(WORD_BITS)
    data: Out(8)
    valid: Out(1)
    ready: In(1)
    done: Out(1)
    busy: Out(1)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return "framer"

    def elaborate(self, platform):
        m = Module()
        m.submodules.check = check = _processor()
        inside, raw, escaped, taken = Signal(), Signal(8), Signal(), Signal()
        special = inside & ((raw == FLAG) | (raw == ESCAPE))
        m.d.comb += [
            self.data.eq(Mux(inside, Mux(special, Mux(escaped, raw ^ FLIP, ESCAPE), raw), FLAG)),
            taken.eq(self.valid & self.ready & (escaped | ~special)),
            check.data.eq(raw),
            self.busy.eq(1),
        ]
        with m.If(self.valid & self.ready):
            m.d.sync += escaped.eq(special & ~escaped)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [check.start.eq(1), self.busy.eq(self.start)]
                m.d.sync += self.r_addr.eq(0)
                with m.If(self.start):
                    m.next = "OPEN"
            self._flag(m, "OPEN", "SEQUENCE", taken)
            for state, byte, following in (
                ("SEQUENCE", self.sequence, "CODE"),
                ("CODE", self.code, "NEXT"),
            ):
                with m.State(state):
                    m.d.comb += [
                        self.valid.eq(1),
                        inside.eq(1),
                        raw.eq(byte),
                        check.valid.eq(taken),
                    ]
                    with m.If(taken):
                        m.next = following
            self._words(m, check, inside, raw, taken)
            self._flag(m, "CLOSE", "IDLE", taken)
        return m

    def _flag(self, m, state, following, taken):
        """Send a flag; the last one ends the reply."""
        with m.State(state):
            m.d.comb += self.valid.eq(1)
            with m.If(taken):
                if following == "IDLE":
                    m.d.comb += self.done.eq(1)
                m.next = following

    def _words(self, m, check, inside, raw, taken):
        """Send payload and check, the low byte of a word first."""
        place = Signal(range(WORD_BYTES))
        with m.State("NEXT"):
            # The buffer returns the word in the next cycle.
            m.next = "CHECK"
            with m.If(self.r_addr != self.words):
                m.next = "PAYLOAD"
        for state, word in (("PAYLOAD", self.r_data), ("CHECK", check.crc)):
            with m.State(state):
                m.d.comb += [self.valid.eq(1), inside.eq(1), raw.eq(word.word_select(place, 8))]
                with m.If(taken):
                    m.d.sync += place.eq(place + 1)
                with m.If(taken & (place == WORD_BYTES - 1)):
                    m.next = "CLOSE"
                if state == "PAYLOAD":
                    m.d.comb += check.valid.eq(taken)
                    with m.If(taken & (place == WORD_BYTES - 1)):
                        m.d.sync += self.r_addr.eq(self.r_addr + 1)
                        m.next = "NEXT"
