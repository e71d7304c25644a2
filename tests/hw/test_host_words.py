# SPDX-License-Identifier: Apache-2.0
"""What the host's driver is made of: words of the memories, blocks, frames, spellings."""

import re

import numpy as np
import pytest

from hw.host.device import blocks
from hw.host.exchange import Deframer, frame
from hw.host.words import a_words, b_words, c_values
from hw.spec import FixedAccumulator, SpecError
from hw.spec.board import FLAG, Command, Identity
from hw.spec.grammar import parse_spec
from hw.spec.registers import gemm_map
from sim.rtl.engine import bus_words, operand_words
from tests.support.boards import BOARD
from tests.support.specs import GEMMS, WEIGHT_GEMMS

ENGINES = GEMMS | WEIGHT_GEMMS


@pytest.mark.parametrize("spelling", ENGINES)
def test_engine_spelling_is_parsed_back(spelling):
    assert parse_spec(str(ENGINES[spelling])) == ENGINES[spelling]


@pytest.mark.parametrize("spelling", ENGINES)
def test_words_are_those_of_the_simulator(spelling):
    spec, rng = ENGINES[spelling], np.random.default_rng(7)
    table, mac = gemm_map(spec), spec.array.mac
    a = rng.integers(0, 1 << mac.a.width, (spec.array.rows + 1, mac.lanes + 1), dtype=np.uint64)
    b = rng.integers(0, 1 << mac.b.width, (mac.lanes + 1, spec.array.cols + 1), dtype=np.uint64)
    wanted = operand_words(spec, a, b)
    for name, found, words in (("A", a_words(a, spec, table.window("A")), wanted[0]),
                               ("B", b_words(b, spec, table.window("B")), wanted[1])):
        assert (found == bus_words(words, table.window(name))).all(), name


@pytest.mark.parametrize("spelling", ENGINES)
def test_results_are_read_from_words(spelling):
    spec, rng = ENGINES[spelling], np.random.default_rng(9)
    array, window, words, m = spec.array, gemm_map(spec).window("C"), [], 5
    bits, flag_bits = array.result_width, array.flag_bits
    codes = [[int(rng.integers(0, 1 << 62)) << 20 >> 82 - bits for _ in range(array.cols)]
             for _ in range(m)]
    flags = rng.integers(0, 1 << flag_bits, (m, array.cols))
    for row, kinds in zip(codes, flags.tolist(), strict=True):
        word = sum(code << array.slot_width * col for col, code in enumerate(row))
        word += sum(flag << array.slot_width * array.cols + flag_bits * col
                    for col, flag in enumerate(kinds))
        words.append(np.frombuffer(word.to_bytes(4 * window.lanes, "little"), "<u4"))
    values, found = c_values(np.array(words), spec, m, array.cols)
    assert values.shape == (m, array.cols)
    assert [[int(value) % (1 << bits) for value in row] for row in values] == codes
    assert (found == (3 * flags if flag_bits == 1 else flags)).all()
    fixed = isinstance(array.mac.acc, FixedAccumulator) and array.out is None
    assert bool((values.astype(object) < 0).any()) == fixed


@pytest.mark.parametrize("spelling", ENGINES)
def test_blocks_cover_c_once_and_fit(spelling):
    spec = ENGINES[spelling]
    for m, k, n in ((1, 1, 1), (7, 5, 9), (200, 3, 1), (1, 3, 300), (20, 500, 20)):
        covered = np.zeros((m, n), int)
        for block in blocks(spec, m, k, n):
            covered[block.rows.start:block.rows.stop, block.cols.start:block.cols.stop] += 1
            assert [x for part in block.parts for x in part] == list(range(k))
            for part in block.parts:
                assert not spec.refusals(len(block.rows), len(part), len(block.cols),
                                         hold=part is not block.parts[-1])
                assert part.start % spec.array.mac.lanes == 0
        assert (covered == 1).all()


def test_frames_come_back_and_garbled_ones_do_not():
    rng, deframer = np.random.default_rng(8), Deframer()
    for size in (0, 4, 100, 1020):
        payload = bytes(rng.choice([FLAG, FLAG - 1, 0, 255], size).tolist())
        sent = frame(size % 256, Command.READ, payload)
        assert sent.count(FLAG) == 2
        (reply,) = deframer.push(sent[:5]) + deframer.push(sent[5:])
        assert (reply.sequence, reply.code, reply.payload) == (size % 256, 3, payload)
    assert deframer.push(sent[:-3] + sent[-2:]) == []
    assert deframer.garbled == 1


@pytest.mark.parametrize(("change", "message"), [
    (lambda raw: b"XMAC" + raw[4:], "Identity must be one that starts with BMAC, not b'XMAC'"),
    (lambda raw: raw[:4] + b"\2" + raw[5:], "Protocol version must be 1, not 2"),
    (lambda raw: raw[:-4] + b"XXXX", (
        f"Identity digest must be that of its spelling, not {BOARD.identity.digest.hex()!r}")),
])
def test_identity_wrong(change, message):
    raw = BOARD.identity.to_bytes()
    assert Identity.from_bytes(raw) == BOARD.identity
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Identity.from_bytes(change(raw))
