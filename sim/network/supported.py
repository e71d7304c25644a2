# SPDX-License-Identifier: Apache-2.0
"""What a model may consist of: operators on the array, those beside it, formats and backends."""

import json
import textwrap
from functools import cache

import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import RuntimeContextError, RuntimeImplementationError
from onnx.reference.ops import load_op

from hw.spec import CATALOG
from sim.network.graph import LAYERS, REFUSED
from sim.run.engines import ENGINES

__all__ = ["beside", "supported", "supported_json"]

WIDTH = 100


@cache
def beside() -> tuple[str, ...]:
    """Operators of the newest opset that onnx's reference evaluates in FP32, beside the array."""
    return tuple(sorted(schema.name for schema in onnx.defs.get_all_schemas()
                        if not schema.domain and not schema.deprecated and _runs(schema)))


def _runs(schema: onnx.defs.OpSchema) -> bool:
    """Whether a node of this operator is one that `sim.network.load` takes."""
    if schema.name in (*LAYERS, *REFUSED) or _has_subgraph(schema):
        return False
    try:
        load_op("", schema.name, evaluator_cls=ReferenceEvaluator)
    except RuntimeContextError:  # A function of others that depends on the node: it has none.
        return True
    except RuntimeImplementationError:
        return False
    return True


def _has_subgraph(schema: onnx.defs.OpSchema) -> bool:
    kinds = onnx.defs.OpSchema.AttrType
    return any(each.type in (kinds.GRAPH, kinds.GRAPHS) for each in schema.attributes.values())


def _groups() -> dict[str, tuple[str, ...]]:
    return {"on_array": LAYERS, "in_fp32": beside(), "refused": tuple(sorted(REFUSED)),
            "formats": tuple(CATALOG), "backends": tuple(ENGINES)}


def supported() -> str:
    """Text: a paragraph each."""
    words = {"on_array": "Operators on the array",
             "in_fp32": "Operators in FP32, as onnx's reference evaluates them",
             "refused": "Operators that are refused, since they multiply matrices in other ways",
             "formats": "Operand formats (python -m hw.spec --list tells more)",
             "backends": "Backends"}
    return "\n".join(textwrap.fill(f"{words[name]}: {', '.join(names)}", WIDTH,
                                   subsequent_indent="  ", break_long_words=False)
                     for name, names in _groups().items())


def supported_json() -> str:
    """The same as JSON."""
    return json.dumps(_groups(), indent=2)
