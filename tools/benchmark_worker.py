"""Measures one side of a case for tools/benchmark_layers.py, which starts it.

The argument is the case and the side as JSON. For each line on standard input
the process computes once and answers with a line: between them it sleeps, so
that of two processes only one computes. The first call traces and is not
counted. When the input ends, it writes what it measured, as JSON:

    {"size": ..., "seconds": [...], "baseline_bytes": ..., "peak_bytes": ...}

`size` is the root of the sum of squares of all results: equal sides agree.

The baseline is what is resident once TensorFlow is imported, the input made,
the layer built by a step on a tiny input, which also starts TensorFlow's
threads (models are built without one), and the layer's step traced. The peak
is VmHWM of /proc/self/status, the largest resident size since the process
began: as it is fresh and the measured step follows, nothing has to be reset.
"""

import gc
import importlib
import json
import os
import pathlib
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

import axial_deeplab  # noqa: E402
from axial_deeplab.layers.axial_attention import (  # noqa: E402
    AxialAttention,
    AxialAttention2D,
)
from axial_deeplab.layers.axial_heads import AxialHeads  # noqa: E402
from axial_deeplab.layers.axial_pass import AxialPass  # noqa: E402
from axial_deeplab.layers.head_ops import HeadOptions  # noqa: E402
from axial_deeplab.layers.window_heads import WindowHeads  # noqa: E402

HEADS = 8
WINDOW, TRANSFORMER_HEADS = 8, 2
_PROJECT = pathlib.Path(__file__).resolve().parent.parent
_TINY_MAP = (1, 2, 3)


def build(case: dict[str, Any], side: str) -> tf_keras.layers.Layer:
    """The layer or model of a side: "ours", "plain" or "resnet50"."""
    if side == "resnet50":
        return tf_keras.applications.ResNet50(weights=None)
    if case["model"]:
        # Each goes only to the model that is measured with it.
        names = ("span", "recompute", "num_classes")
        given = {name: case[name] for name in names}
        options = {name: value for name, value in given.items() if value}
        return axial_deeplab.create_model(case["model"], **options)
    if case["attention"]:
        return transformer_passes(case, side)
    kind = AxialAttention if side == "ours" else plain_attention()
    if case["mode"] == "training":
        return _attention(kind, "width", case)
    axes = [_attention(kind, axis, case) for axis in ("height", "width")]
    # The pair of the backbones may know shortcuts for what is ours.
    return AxialAttention2D(*axes) if side == "ours" else InTurn(axes)


def plain_attention() -> type[AxialAttention]:
    """The rival; it lies with the tests, so that only a checkout has it."""
    # By name: the tools need no tests, but for this comparison.
    module = importlib.import_module("tests.reference.plain_attention")
    return module.PlainAxialAttention


def transformer_passes(
    case: dict[str, Any], side: str
) -> tf_keras.layers.Layer:
    """Axial, window or full attention with its projections."""
    options = HeadOptions(TRANSFORMER_HEADS)
    if side == "plain":
        module = importlib.import_module("tests.reference.plain_full_attention")
        heads = [module.PlainFullHeads(None, options)]
    elif case["attention"] == "axial":
        heads = [AxialHeads(axis, options) for axis in ("width", "height")]
    else:
        window = {"window": WINDOW, "full": None}[case["attention"]]
        heads = [WindowHeads(window, options)]
    passes = [AxialPass(case["channels"], one) for one in heads]
    for one in passes:  # now: in a graph, the sides would draw other weights
        one(tf.zeros([*_TINY_MAP, case["channels"]]))
    return InTurn(passes)


class InTurn(tf_keras.layers.Layer):
    """Layers one after the other, and nothing else."""

    def __init__(self, layers: list[tf_keras.layers.Layer]):
        super().__init__()
        self.layers = layers

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        for layer in self.layers:
            x = layer(x, training=training)
        return x


def _attention(
    kind: type[AxialAttention], axis: str, case: dict[str, Any]
) -> AxialAttention:
    """A layer that is as wide as its input, with q : k : v = 1 : 1 : 2."""
    channels = case["channels"]
    return kind(
        filters=channels,
        key_filters=channels // 2,
        axis=axis,
        heads=HEADS,
        span=case["span"],
    )


def make_step(
    layer: tf_keras.layers.Layer, mode: str
) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """The function to time, traced for each shape of its input.

    "inference": the outputs. "training": the gradients of their sum of
    squares, training mode, with respect to the input and all weights.
    """

    @tf.function
    def infer(x):
        return tf.nest.flatten(layer(x, training=False))

    @tf.function
    def train(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(layer(x, training=True))
            loss = tf.add_n([tf.reduce_sum(tf.square(y)) for y in outputs])
        gradients = tape.gradient(loss, [x, *layer.trainable_variables])
        return [tf.convert_to_tensor(one) for one in gradients]

    return {"inference": infer, "training": train}[mode]


def serve(case: dict[str, Any], side: str) -> None:
    """Does what the module says."""
    # The first to go where memory runs out, before whoever started it.
    pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
    tf_keras.utils.set_random_seed(0)  # the same weights on both sides
    step = make_step(build(case, side), case["mode"])
    shape = (1, case["rows"], case["length"], case["channels"])
    x = tf.random.normal(shape, seed=1)
    if not case["model"]:
        step(tf.random.normal((*_TINY_MAP, case["channels"]), seed=1))
        step.get_concrete_function(x)
    gc.collect()
    baseline_bytes = _resident_bytes("VmRSS")
    if case["limit_gb"]:
        _limit_memory(int(case["limit_gb"] * 1e9))
    size, seconds = None, []
    for _ in sys.stdin:
        if size is None:
            size = _size(step(x))
        else:
            seconds.append(_seconds(step, x))
        print("done", flush=True)
    measured = {
        "size": size,
        "seconds": seconds,
        "baseline_bytes": baseline_bytes,
        "peak_bytes": _resident_bytes("VmHWM"),
    }
    print(json.dumps(measured), flush=True)


def _seconds(step: Callable, x: tf.Tensor) -> float:
    start = time.perf_counter()
    step(x)
    tf.test.experimental.sync_devices()
    return time.perf_counter() - start


def _size(results: list[tf.Tensor]) -> float:
    # Half the sum of squares, without a map of the squares.
    halves = [float(tf.nn.l2_loss(one)) for one in results]
    return (2 * sum(halves)) ** 0.5


def _limit_memory(more: int) -> None:
    """Makes allocations fail beyond so many bytes, before the machine does."""
    limit = _resident_bytes("VmData") + more
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _resident_bytes(name: str) -> int:
    """An entry of /proc/self/status, which counts in KiB."""
    with open("/proc/self/status", encoding="ascii") as file:
        entries = dict(line.split(":", 1) for line in file)
    return int(entries[name].split()[0]) * 1024


if __name__ == "__main__":
    sys.path.insert(0, str(_PROJECT))
    serve(*json.loads(sys.argv[1]))
