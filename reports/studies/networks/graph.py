# SPDX-License-Identifier: Apache-2.0
"""A network written down layer by layer and saved as an ONNX model."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.files import whole_file

__all__ = ["Graph"]

#: Version of the operators: the first that has LayerNormalization; and the file format of its time.
OPSET, IR = 17, 8
Shape = list[str | int]


class Graph:
    """Nodes and constants as they are added; a name stands for each value.

    onnx is imported when the first graph is made: nothing else here needs it.
    """

    def __init__(self, name: str) -> None:
        import onnx

        self._onnx, self._name = onnx, name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str, shape: Shape, dtype: npt.DTypeLike = np.float32) -> str:
        """Value that is fed; a side that is a name may have any size."""
        self._inputs.append(self._value(name, shape, dtype))
        return name

    def constant(self, array: npt.ArrayLike, name: str = "") -> str:
        """Value that is part of the model."""
        name = name or f"constant_{len(self._constants)}"
        tensor = self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        self._constants.append(tensor)
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Node with one output, whose name it gives back."""
        name = name or f"{operator.lower()}_{len(self._nodes)}"
        node = self._onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def save(self, path: Path, outputs: dict[str, Shape]) -> Path:
        """Check the model and write it, whole or not at all; outputs are float32."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs,
            [self._value(name, shape, np.float32) for name, shape in outputs.items()],
            self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                                  ir_version=IR, producer_name="bytemac")
        self._onnx.checker.check_model(model, full_check=True)
        with whole_file(path) as file:
            file.write(model.SerializeToString(deterministic=True))
        return path

    def _value(self, name: str, shape: Shape, dtype: npt.DTypeLike) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)
