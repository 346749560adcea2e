"""What a traced function consists of, its inner functions included."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf


def nodes(
    function: Callable, *specs: tf.TensorSpec
) -> list[tf.compat.v1.NodeDef]:
    """All nodes of the graph and of its functions, with their shapes."""
    concrete = tf.function(function).get_concrete_function(*specs)
    graph = concrete.graph.as_graph_def(add_shapes=True)
    inner = [node for one in graph.library.function for node in one.node_def]
    return [*graph.node, *inner]


def loops(graph: list[tf.compat.v1.NodeDef]) -> int:
    """Number of while loops."""
    return sum(node.op in ("While", "StatelessWhile") for node in graph)


def sizes(
    graph: list[tf.compat.v1.NodeDef],
) -> Iterator[tuple[str, list[int]]]:
    """Op and sides of every output; a side that is not known is -1."""
    for node in graph:
        for shape in node.attr["_output_shapes"].list.shape:
            if not shape.unknown_rank:
                yield node.op, [side.size for side in shape.dim]


def largest(graph: list[tf.compat.v1.NodeDef]) -> tuple[int, str]:
    """Elements of the largest tensor, and which it is."""
    return max(
        (int(np.prod(np.abs(sides))), f"{op} {sides}")
        for op, sides in sizes(graph)
    )
