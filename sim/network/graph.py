# SPDX-License-Identifier: Apache-2.0
"""Load an ONNX model as a list of steps. Operators are checked and constants are folded.

Operators that multiply matrices become layers of the array (`sim.network.operators`). All others
are evaluated by `onnx.reference`, the reference implementation.
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
from hw.spec.files import readable
from sim.codes import NDArray
from sim.network.operators import OPERATORS, REFUSED, Layer, Node, layer

SUPPORTED = (
    f"{', '.join(OPERATORS)}, or an operator without matrix products that onnx's reference "
    "evaluates"
)


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the model: name, dtype, and shape, with None for sides of any size."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Step(Node):
    """A node of the model. A node without a name has the name of its first output.

    Attributes
    ----------
    inputs, outputs
        Names of tensors; an omitted input is "".
    evaluate
        Computes the outputs in FP32 with `onnx.reference`.
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
            If the operator cannot be evaluated on these inputs.
        """
        try:
            with np.errstate(all="ignore"):
                outputs = self.evaluate(*inputs)
        # The reference evaluator does not catch exceptions of numpy.
        except Exception as error:
            given = ", ".join("none" if x is None else f"{x.dtype} {x.shape}" for x in inputs)
            raise SpecError(
                f"{self.noun} cannot be evaluated on the inputs {given}: {_reason(error)}"
            ) from error
        return tuple(np.asarray(x) if isinstance(x, np.generic) else x for x in outputs)


@dataclass(frozen=True, slots=True)
class Network:
    """Steps that depend on the inputs, in order, and the constants.

    ``folded`` names nodes that multiply constants only. They are computed when the model is loaded.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, NDArray] = field(repr=False)
    folded: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[Step, ...]:
        """Steps that run on the array."""
        return tuple(step for step in self.steps if step.is_layer)

    def require_layers(self) -> None:
        """Raise SpecError unless a step runs on the array."""
        if self.layers:
            return
        *names, last = OPERATORS
        reason = f"it has no {', '.join(names)} or {last}"
        if self.folded:
            reason = f"{', '.join(map(repr, self.folded))} multiplies constants only"
        raise SpecError(f"The model has no layer that runs on the array: {reason}")

    def layer(self, step: Step, inputs: Sequence[NDArray | None]) -> Layer:
        """Layer of a step for given inputs. Raises SpecError if they are not supported."""
        return layer(step, inputs, [name in self.constants for name in step.inputs[:2]])


def load(path: str | Path) -> Network:
    """Read an ONNX model.

    Raises
    ------
    SpecError
        If it is not an ONNX model or an operator is not supported; the message names the node.
    """
    try:
        model = onnx.load(str(readable(path)))
        onnx.checker.check_model(_with_shapes(model))
        model = onnx.shape_inference.infer_shapes(model)
    # Protobuf, the checker and the file system raise different exceptions.
    except Exception as error:
        raise SpecError(
            f"Model file {str(path)!r} cannot be read as ONNX: {_reason(error)}"
        ) from error
    names: list[str] = []  # Unique.
    for node in model.graph.node:
        names.append(node.name if node.name and node.name not in names else node.output[0])
    for name, node in zip(names, model.graph.node, strict=True):
        _check(f"Node {name!r} operator", node)
    return _fold(model, names)


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, with a shape for outputs that lack one: only the checker needs it."""
    if all(each.type.tensor_type.HasField("shape") for each in model.graph.output):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for each in copy.graph.output:
        if not each.type.WhichOneof("value") or not each.type.tensor_type.HasField("shape"):
            kind = each.type.tensor_type.elem_type or onnx.TensorProto.FLOAT
            each.CopyFrom(onnx.helper.make_tensor_value_info(each.name, kind, ()))
    return copy


def _reason(error: Exception) -> str:
    """First line of an exception's message."""
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
    """Reference evaluator of each node."""
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
            f"The model cannot be evaluated by onnx's reference: {_reason(error)}"
        ) from error


def _for_inference(model: onnx.ModelProto) -> onnx.ModelProto:
    """Set attributes so that BatchNormalization runs in inference mode, as in the standard.

    Up to opset 13, the number of outputs selects training or inference. The reference of onnx
    1.23.2 looks at attributes instead; with a momentum of 1, mean and variance do not change.
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
    """Steps of the model. Those that depend on no input are computed now."""
    graph = model.graph
    if graph.sparse_initializer:
        raise SpecError("Model constants must be dense tensors, not sparse tensors")
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    inputs = tuple(_input(each) for each in graph.input if each.name not in constants)
    steps: list[Step] = []
    folded: list[str] = []
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
            folded += [name] if step.is_layer else []
        else:
            steps.append(step)
    results = tuple(each.name for each in graph.output)
    needed = set(results)
    for place, step in reversed(list(enumerate(steps))):
        steps[place] = replace(step, dead=frozenset({*step.inputs, *step.outputs} - needed))
        needed |= set(step.inputs)
    return Network(inputs, results, tuple(steps), constants, tuple(folded))


def _input(value: onnx.ValueInfoProto) -> Input:
    """Input as declared in the model."""
    tensor = value.type.tensor_type
    if tensor.elem_type == 0:
        raise SpecError(f"Model input {value.name!r} must be a tensor with a dtype")
    shape = tuple(side.dim_value if side.dim_value > 0 else None for side in tensor.shape.dim)
    return Input(value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape)


@cache
def beside() -> tuple[str, ...]:
    """Operators of the newest opset that are evaluated in FP32 instead of on the array."""
    return tuple(
        sorted(
            schema.name
            for schema in onnx.defs.get_all_schemas()
            if not schema.domain and not schema.deprecated and _runs(schema)
        )
    )


def _runs(schema: onnx.defs.OpSchema) -> bool:
    """Whether `load` accepts nodes of this operator."""
    kinds = onnx.defs.OpSchema.AttrType
    if schema.name in OPERATORS.keys() | REFUSED or any(
        each.type in (kinds.GRAPH, kinds.GRAPHS) for each in schema.attributes.values()
    ):
        return False
    try:
        load_op("", schema.name, evaluator_cls=ReferenceEvaluator)
    except RuntimeContextError:  # A function whose body depends on the node has no class.
        return True
    except RuntimeImplementationError:
        return False
    return True
