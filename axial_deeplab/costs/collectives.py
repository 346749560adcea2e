"""What the replicas of a traced training step send one another."""

import tensorflow as tf

_REDUCTION = "CollectiveReduce"


def all_reduced_bytes(graph: tf.Graph, replicas: int) -> int:
    """Bytes that one replica gives to all-reductions in a step.

    Counted at the collective operations of the graph, where every replica of
    this process has its own: gradients of all weights; for every batch norm
    the sums of its statistics in the forward pass (once more where blocks are
    recomputed) and of their gradients in the backward pass; losses to show.

    Raises:
      ValueError: a reduction has an unknown size, or stands in a function or
        a loop, where it may run any number of times.
    """
    total = 0
    for operation in graph.get_operations():
        if not operation.type.startswith(_REDUCTION):
            continue
        tensor = operation.inputs[0]
        elements = tensor.shape.num_elements()
        if elements is None:
            raise ValueError(f"{operation.name} reduces an unknown size.")
        total += elements * tensor.dtype.size
    for function in graph.as_graph_def().library.function:
        for node in function.node_def:
            if node.op.startswith(_REDUCTION):
                raise ValueError(
                    f"{node.name} reduces inside of the function "
                    f"{function.signature.name}."
                )
    return total // replicas
