# SPDX-License-Identifier: Apache-2.0
"""The demo: reproducible training and scales, faults that it must detect, and a small run."""

import re

import numpy as np
import pytest

import sim
import sim.rtl
from hw.progress import Progress
from hw.spec import Flag, parse_array, parse_mac
from reports.studies.demo import measure as command
from reports.study import main
from sim import digits as network
from sim.tiling import ArrayProduct, C
from synth.record import Metric, Record, provenance, read_records

ARRAY = parse_array("4x4", "e4m3")


@pytest.fixture(scope="module")
def digits():
    return network.load_digits()


@pytest.fixture(scope="module")
def layers(digits):
    return network.train(digits)


def test_digits_are_split_once(digits):
    assert len(digits.train_images) + len(digits.test_images) == 1797
    assert digits.test_images.shape == (449, 64)
    assert digits.test_images.dtype == np.float32
    assert 0 <= digits.test_images.min() < digits.test_images.max() == 1
    again = network.load_digits()
    np.testing.assert_array_equal(again.test_labels, digits.test_labels)
    rows = {image.tobytes() for image in digits.train_images}
    assert sum(image.tobytes() in rows for image in digits.test_images) == 0


def test_training_is_repeatable_and_good(digits, layers):
    for layer, again in zip(layers, network.train(digits), strict=True):
        np.testing.assert_array_equal(layer.weights, again.weights)
        np.testing.assert_array_equal(layer.bias, again.bias)
    other = network.train(digits, epochs=1)
    scores = [
        network.accuracy(network.forward(digits.test_images, net), digits.test_labels)
        for net in (layers, other)
    ]
    assert scores[0] > 0.95 > scores[1], scores


def test_accuracy_is_a_share():
    assert network.accuracy(np.eye(4, 10, dtype=np.float32), np.array([0, 1, 2, 9])) == 0.75


@pytest.mark.parametrize("name", ["e4m3", "int8"])
def test_quantization_is_repeatable_and_close(digits, layers, name):
    mac = parse_mac(name)
    found = network.quantize(layers, mac, digits.train_images)
    again = network.quantize(layers, mac, digits.train_images)
    for layer, codes, same in zip(layers, found.codes, again.codes, strict=True):
        np.testing.assert_array_equal(codes.weights, same.weights)
        assert (codes.weight_scale, codes.input_scale) == (same.weight_scale, same.input_scale)
        back = sim.decode(codes.weights, mac.b)
        assert abs(back).max() == mac.b.max
        error = abs(back * codes.weight_scale - layer.weights).max() / abs(layer.weights).max()
        assert error <= 2.0**-4
    score = network.accuracy(found.forward(digits.test_images), digits.test_labels)
    exact = network.accuracy(network.forward(digits.test_images, layers), digits.test_labels)
    assert abs(score - exact) < 0.02, (score, exact)


def test_sums_become_values():
    assert sim.values(np.array([-3, 4]), parse_mac("e4m3")).tolist() == [
        -3 * 2.0**-18,
        4 * 2.0**-18,
    ]
    assert sim.values(np.array([0x3C00], np.uint16), parse_mac("e4m3,acc=fp16")).tolist() == [1.0]


def test_every_planted_wrong_bit_is_named():
    sums = np.array([[5, -1], [1 << 40, 0]])
    flags = np.array([[0, 0], [Flag.NAN & 1, 0]], np.uint8)
    bits = sums.astype(object) % (1 << 49)
    good = ArrayProduct(bits, flags.copy(), 1)
    assert command.compare(ARRAY, 0, good, sums, flags) == 4 * (49 + 1)
    for bit in range(49):
        wrong = bits.copy()
        wrong[0, 1] ^= 1 << bit
        message = (
            f"{ARRAY.name} layer 3: 1 of 4 results differ; C[0, 1] is {wrong[0, 1]:#x} with "
            "flags 0 in RTL, 0x1ffffffffffff with flags 0 in the model"
        )
        with pytest.raises(command.Mismatch, match=f"^{re.escape(message)}$"):
            command.compare(ARRAY, 3, ArrayProduct(wrong, flags, 1), sums, flags)
    with pytest.raises(command.Mismatch, match=r"C\[1, 0\] is 0x10000000000 with flags 0 in RTL"):
        command.compare(ARRAY, 0, ArrayProduct(bits, np.zeros_like(flags), 1), sums, flags)
    with pytest.raises(command.Mismatch, match=r"\(1, 2\) results in RTL, \(2, 2\) in the model$"):
        command.compare(ARRAY, 0, ArrayProduct(bits[:1], flags[:1], 1), sums, flags)


def perfect(spec, a, b, late=0):
    """Results of right RTL."""
    sums, flags = sim.matmul_with_flags(a, b, spec.mac)
    cycles = spec.cycles(len(a), len(b), b.shape[1])
    return ArrayProduct(sums.astype(object) % (1 << spec.mac.acc.width), flags, cycles + late)


def test_bench_hands_on_the_sums_of_the_rtl_and_adds_up(monkeypatch):
    monkeypatch.setattr(sim.rtl, "matmul", lambda model, spec, a, b: perfect(spec, a, b))
    bench = command.Bench(ARRAY, None)
    a, b = np.random.default_rng(1).integers(0, 127, (2, 6, 6))
    for _ in range(2):
        np.testing.assert_array_equal(bench.product(0, a, b - 0), sim.matmul(a, b, ARRAY.mac))
    assert bench.cycles == bench.closed_form == 2 * ARRAY.cycles(6, 6, 6)
    assert bench.bits == 2 * 36 * 50
    assert bench.utilisation == pytest.approx(ARRAY.utilisation(6, 6, 6))


def test_bench_notices_a_cycle_too_many(monkeypatch):
    monkeypatch.setattr(sim.rtl, "matmul", lambda model, spec, a, b: perfect(spec, a, b, late=1))
    cycles = ARRAY.cycles(2, 2, 2)
    message = f"{ARRAY.name} layer 1: {cycles + 1} cycles in RTL, {cycles} by the closed form"
    with pytest.raises(command.Mismatch, match=f"^{re.escape(message)}$"):
        command.Bench(ARRAY, None).product(1, np.ones((2, 2), int), np.ones((2, 2), int))


def test_table_has_a_column_for_each_arithmetic():
    def record(subject, accuracy, **metrics):
        found = {"accuracy": accuracy} | metrics
        return Record(
            subject=subject,
            provenance=provenance("x"),
            metrics={name: Metric(value) for name, value in found.items()},
            conditions={"test images": 449, "images on RTL": 100},
        )

    arrays = [
        record(
            parse_array("16x16", name).name,
            96.65,
            rtl_cycles=4734,
            closed_form_cycles=4734,
            utilisation=87.7,
            bits_checked=942900,
            two_input_gates_default=592,
            two_input_gates_keep=567,
        )
        for name in ("e4m3", "int8")
    ]
    assert command.table([record("network in FP32", 96.44), *arrays]).splitlines() == [
        "                                   FP32     E4M3     INT8",
        "---------------------------------------------------------",
        "accuracy on 449 test images      96.44%   96.65%   96.65%",
        "accumulator                              fx49m18     fx28",
        "RTL cycles, 100 images                     4,734    4,734",
        "cycles by the closed form                  4,734    4,734",
        "utilisation                                87.7%    87.7%",
        "result bits equal to the model           942,900  942,900",
        "2-input gates of a MAC, default              592      592",
        "2-input gates of a MAC, keep                 567      567",
    ]


@pytest.mark.synth
def test_demo_runs_on_small_arrays(tmp_path, capsys, monkeypatch):
    out = tmp_path / "demo.json"
    steps = []  # What they print depends on how long each takes.
    monkeypatch.setattr(Progress, "at_once", lambda self, text: steps.append(text))
    assert main(["demo", "--array", "4x4", "--batch", "3", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    reference, *arrays = read_records(out)
    assert reference.metrics["accuracy"].value > 95
    for record, mac in zip(arrays, command.FORMATS, strict=True):
        spec = parse_array("4x4", mac)
        assert record.subject == spec.name
        cycles = spec.cycles(3, 64, 32) + spec.cycles(3, 32, 10)
        metrics = record.metrics
        assert metrics["rtl_cycles"].value == metrics["closed_form_cycles"].value == cycles
        assert metrics["bits_checked"].value == 3 * 42 * (spec.mac.acc.width + spec.mac.flag_bits)
        assert f"{cycles:,}" in printed.out
    assert len(printed.out.splitlines()) == 10
    assert "trained the network" in "\n".join(steps)


@pytest.mark.synth
def test_demo_fails_on_a_wrong_bit(tmp_path, capsys, monkeypatch):
    build = command.build

    def faulty(spec):
        model = build(spec)
        stream = model.stream

        def flipped(*arguments, **options):
            ran = stream(*arguments, **options)
            ran.received[C].data[0, 0] ^= np.uint64(1)
            return ran

        model.stream = flipped
        return model

    monkeypatch.setattr(command, "build", faulty)
    out = tmp_path / "demo.json"
    assert main(["demo", "--array", "4x4", "--batch", "3", "--out", str(out), "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.match(
        r"python -m reports\.study demo: error: array_4x4_os_e4m3_fx49m18 layer 0: 1 "
        r"of 96 results differ; C\[0, 0\] is 0x",
        printed.err.splitlines()[-1],
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--array", "4"], "Array size must be ROWSxCOLS, for instance 16x16, not '4'"),
        (["--batch", "0"], "Batch must be from 1 to 449 test images, not 0"),
        (["--batch", "450"], "Batch must be from 1 to 449 test images, not 450"),
        (
            ["--acc", "int9"],
            (
                "Accumulator width must be at least 37 to hold 1 product of e4m3 and "
                "e4m3 at lsb -18, not 9"
            ),
        ),
        (
            ["--out", "/dev/null/x.json"],
            "Output folder must be writable, not '/dev/null' (file exists)",
        ),
    ],
)
def test_demo_wrong(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"python -m reports.study demo: error: {message}\n"
