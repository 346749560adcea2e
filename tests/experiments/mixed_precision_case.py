"""What the tests of half precision share."""

import tensorflow as tf


def operations(graph: tf.Graph) -> set[tuple[str, int]]:
    """Type and number type of all operations, those of functions too."""
    definition = graph.as_graph_def()
    nodes = list(definition.node)
    for function in definition.library.function:
        nodes += function.node_def
    return {(node.op, node.attr["T"].type) for node in nodes}
