# SPDX-License-Identifier: Apache-2.0
"""An ONNX model as steps in order: checked when it is loaded, constants folded.

What multiplies matrices is a layer of the array (`sim.network.operators`); all else is done by the
implementations of `onnx.reference`, which define the operators.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import RuntimeContextError, RuntimeImplementationError
from onnx.reference.ops import load_op

from hw.spec import SpecError
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.operators import OPERATORS, REFUSED, Layer, Node, layer

SUPPORTED = (
    f"{', '.join(OPERATORS)} (on the array) or one that onnx's reference evaluates "
    "without multiplying matrices"
)


@dataclass(frozen=True, slots=True)
class Input:
    """What the model is to be given: its name, dtype, and sides, None where any will do."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Step(Node):
    """A node in its place; it has the name of its first output if it has none of its own.

    Attributes
    ----------
    inputs, outputs
        Names of tensors; an input that is left out is "".
    evaluate
        Computes the outputs in FP32 as the standard defines them.
    dead
        Tensors that no later step needs.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    evaluate: Callable[..., tuple[NDArray, ...]]
    dead: frozenset[str] = frozenset()

    @property
    def is_layer(self) -> bool:
        """Whether it runs on the array."""
        return self.operator in OPERATORS

    def compute(self, *inputs: NDArray | None) -> tuple[NDArray, ...]:
        """Outputs of the step, computed in FP32.

        Raises
        ------
        SpecError
            If the operator does not take these inputs.
        """
        try:
            with np.errstate(all="ignore"):
                outputs = self.evaluate(*inputs)
        # The reference raises whatever numpy does.
        except Exception as error:
            given = ", ".join("none" if x is None else f"{x.dtype} {x.shape}" for x in inputs)
            raise SpecError(
                f"{self.noun} inputs must be such that onnx's reference evaluates it, "
                f"not {given} ({_reason(error)})"
            ) from error
        return tuple(np.asarray(x) if isinstance(x, np.generic) else x for x in outputs)


@dataclass(frozen=True, slots=True)
class Network:
    """Steps that depend on the inputs, in order, and all that does not."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, NDArray] = field(repr=False)

    @property
    def layers(self) -> tuple[Step, ...]:
        """Steps that run on the array."""
        return tuple(step for step in self.steps if step.is_layer)

    def layer(self, step: Step, inputs: Sequence[NDArray | None]) -> Layer:
        """Layer of a step for given inputs; raises SpecError if they are not supported."""
        return layer(step, inputs, [name in self.constants for name in step.inputs[:2]])


def load(path: str | Path) -> Network:
    """Read an ONNX model.

    Raises
    ------
    SpecError
        If it is none, or has an operator that is not supported; the message names the node.
    """
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
        model = onnx.shape_inference.infer_shapes(model)
    # Protobuf, checker and file system each raise their own.
    except Exception as error:
        raise SpecError(
            f"Model file must be an ONNX model, not {str(path)!r} ({_reason(error)})"
        ) from error
    names: list[str] = []  # All different.
    for node in model.graph.node:
        names.append(node.name if node.name and node.name not in names else node.output[0])
    for name, node in zip(names, model.graph.node, strict=True):
        _check(f"Node {name!r} operator", node)
    return _fold(model, names)


def _reason(error: Exception) -> str:
    """First line of what an exception says."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().splitlines()[0]


def _check(noun: str, node: onnx.NodeProto) -> None:
    """Raise unless the operator of a node is supported."""
    domain = node.domain or "ai.onnx"
    require(domain == "ai.onnx", noun, SUPPORTED, f"{domain}.{node.op_type}")
    require(node.op_type not in REFUSED, noun, SUPPORTED, node.op_type)
    graphs = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    require(
        all(attribute.type not in graphs for attribute in node.attribute),
        noun,
        f"{SUPPORTED}, and without a subgraph",
        node.op_type,
    )


def _evaluators(model: onnx.ModelProto, names: list[str]) -> list[Any]:
    """What evaluates each node."""
    try:
        evaluators: list[Any] = ReferenceEvaluator(_for_inference(model)).rt_nodes_
        return evaluators
    except Exception as error:
        versions = {entry.domain: entry.version for entry in model.opset_import}
        for name, node in zip(names, model.graph.node, strict=True):
            try:
                load_op("", node.op_type, versions[""], evaluator_cls=ReferenceEvaluator)
            except RuntimeContextError:
                continue
            except Exception:
                require(False, f"Node {name!r} operator", SUPPORTED, node.op_type)
        raise SpecError(
            f"Model must be one that onnx's reference evaluates, not this one ({_reason(error)})"
        ) from error


def _for_inference(model: onnx.ModelProto) -> onnx.ModelProto:
    """Model whose batch normalisations of one output are evaluated as the standard has it.

    Up to version 13 the number of outputs says whether they are trained; the reference of onnx
    1.23.2 looks at attributes instead: with a momentum of 1 mean and variance stay as given.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    version = next((each.version for each in model.opset_import if not each.domain), 1)
    for node in copy.graph.node:
        if node.op_type != "BatchNormalization" or len(node.output) > 1 or version >= 14:
            continue
        kept = [each for each in node.attribute if each.name not in ("is_test", "momentum")]
        del node.attribute[:]
        node.attribute.extend(
            [
                *kept,
                onnx.helper.make_attribute("is_test", 1)
                if version < 9
                else onnx.helper.make_attribute("momentum", 1.0),
            ]
        )
    return copy


def _fold(model: onnx.ModelProto, names: list[str]) -> Network:
    """Steps of the model; those that depend on no input are computed."""
    graph = model.graph
    require(not graph.sparse_initializer, "Model constants", "dense tensors", "sparse ones")
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    inputs = tuple(_input(each) for each in graph.input if each.name not in constants)
    steps: list[Step] = []
    for name, node, runtime in zip(names, graph.node, _evaluators(model, names), strict=True):
        given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        attributes = {
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in given.items()
        }
        step = Step(
            name, node.op_type, attributes, tuple(node.input), tuple(node.output), runtime.run
        )
        if all(not each or each in constants for each in step.inputs):
            outputs = step.compute(*(constants.get(each) for each in step.inputs))
            constants |= dict(zip(step.outputs, outputs, strict=False))
        else:
            steps.append(step)
    results = tuple(each.name for each in graph.output)
    needed = set(results)
    for place, step in reversed(list(enumerate(steps))):
        steps[place] = replace(step, dead=frozenset({*step.inputs, *step.outputs} - needed))
        needed |= set(step.inputs)
    return Network(inputs, results, tuple(steps), constants)


def _input(value: onnx.ValueInfoProto) -> Input:
    """What the model says of an input."""
    tensor = value.type.tensor_type
    require(tensor.elem_type > 0, f"Model input {value.name!r}", "a tensor", "something else")
    shape = tuple(side.dim_value if side.dim_value > 0 else None for side in tensor.shape.dim)
    return Input(value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape)


@cache
def beside() -> tuple[str, ...]:
    """Operators of the newest opset that onnx's reference evaluates in FP32, beside the array."""
    return tuple(
        sorted(
            schema.name
            for schema in onnx.defs.get_all_schemas()
            if not schema.domain and not schema.deprecated and _runs(schema)
        )
    )


def _runs(schema: onnx.defs.OpSchema) -> bool:
    """Whether a node of this operator is one that `load` takes."""
    kinds = onnx.defs.OpSchema.AttrType
    if schema.name in OPERATORS.keys() | REFUSED or any(
        each.type in (kinds.GRAPH, kinds.GRAPHS) for each in schema.attributes.values()
    ):
        return False
    try:
        load_op("", schema.name, evaluator_cls=ReferenceEvaluator)
    except RuntimeContextError:  # A function of others that depends on the node: it has none.
        return True
    except RuntimeImplementationError:
        return False
    return True
