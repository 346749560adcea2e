"""How long a forward pass takes beside its convolutions, each by itself."""

import collections
import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab.models.presets import create_model
from axial_deeplab.timing import TimedModel, seconds_of

FORWARD, EMPTY, CONVOLUTIONS = "forward", "an empty call", "convolutions"
COLUMNS = ("part", "model", "calls", "M-Adds, M", "ms", "of forward")
CAPTION = """\
Each convolution of the model is timed by itself, by the TensorFlow operation
that training calls for it, with its bias, on a map of its size; equal ones
once, times their number. All take turns with the forward pass in one process;
milliseconds are medians, the ratio the median of the ratios of a turn. What an
empty call takes is subtracted from every convolution. The forward pass has all
else: activations, norms, sums, products, matrix products, resizes. Weights are
random."""

_CONVOLUTIONS = {
    "Conv2D": tf.nn.conv2d,
    "DepthwiseConv2dNative": tf.nn.depthwise_conv2d,
}
Seconds = dict[Any, list[float]]


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One operation: everything that its time depends on.

    Attributes:
      op: its type, "Conv2D" or "DepthwiseConv2dNative".
      shape: of its input, [B, H, W, C].
      kernel: shape of its weights.
      strides: of height and width.
      padding: "SAME" or "VALID".
      dilations: of height and width.
    """

    op: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, int]
    padding: str
    dilations: tuple[int, int]

    @property
    def label(self) -> str:
        """Sides of the kernel, and what else tells kinds apart."""
        height, width = self.kernel[:2]
        words = [f"{height}x{width}"]
        if self.op != "Conv2D":
            words.append("depthwise")
        if self.strides != (1, 1):
            words.append(f"stride {self.strides[0]}")
        if self.dilations != (1, 1):
            words.append(f"rate {self.dilations[0]}")
        return " ".join(words)

    @property
    def multiply_adds(self) -> int:
        """Of kernel entries beyond the border, too."""
        height, width = self.shape[1:3]
        if self.padding == "VALID":
            height, width = (
                side - (kernel - 1) * rate
                for side, kernel, rate in zip(
                    (height, width), self.kernel, self.dilations, strict=False
                )
            )
        height, width = (
            -(-side // stride)
            for side, stride in zip((height, width), self.strides, strict=True)
        )
        return self.shape[0] * height * width * int(np.prod(self.kernel))

    def function(self) -> Callable[[], tf.Tensor]:
        """What computes it on random numbers."""
        rng = np.random.default_rng(0)
        x, kernel = (
            tf.constant(rng.normal(size=size), tf.float32)
            for size in (self.shape, self.kernel)
        )
        filters = self.kernel[3] if self.op == "Conv2D" else self.shape[3]
        bias = tf.constant(rng.normal(size=filters), tf.float32)
        convolve = _CONVOLUTIONS[self.op]

        def run(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
            strides = [1, *self.strides, 1]
            y = convolve(
                x, kernel, strides, self.padding, dilations=self.dilations
            )
            return tf.nn.bias_add(y, bias)

        traced = tf.function(run, autograph=False)
        return lambda: traced(x, kernel, bias)


Counts = collections.Counter[Convolution]


def convolutions_of(model: tf_keras.Model, shape: tuple[int, ...]) -> Counts:
    """How often a model runs each convolution on images of a shape.

    As training runs them: inference may cut, group or fold them.
    """

    @tf.function(autograph=False)
    def run(images: tf.Tensor) -> Any:
        return model(images, training=True)

    graph = run.get_concrete_function(tf.TensorSpec(shape)).graph
    return collections.Counter(
        _read(op) for op in graph.get_operations() if op.type in _CONVOLUTIONS
    )


def _read(op: tf.Operation) -> Convolution:
    x, kernel = op.inputs
    return Convolution(
        op.type,
        tuple(x.shape),
        tuple(kernel.shape),
        tuple(op.get_attr("strides")[1:3]),
        op.get_attr("padding").decode(),
        tuple(op.get_attr("dilations")[1:3]),
    )


def measure(case: TimedModel, repeats: int) -> tuple[Counts, Seconds]:
    """How often each convolution is called; seconds of a call, turn by turn.

    The seconds also have `FORWARD` and `EMPTY`.

    Raises:
      ValueError: there is no such model, or it has no convolutions.
    """
    model = create_model(case.model, **case.options)
    shape = (case.batch, *case.size_px, 3)
    counts = convolutions_of(model, shape)
    if not counts:
        raise ValueError(f"{case.model} has no convolutions.")
    images = tf.constant(
        np.random.default_rng(0).uniform(0, 255, shape), tf.float32
    )
    forward = tf.function(
        lambda images: model(images, training=False), autograph=False
    )
    empty = tf.function(lambda x: tf.identity(x), autograph=False)
    nothing = tf.zeros([1])
    runs = {part: part.function() for part in counts}
    runs |= {FORWARD: lambda: forward(images), EMPTY: lambda: empty(nothing)}
    for run in runs.values():  # traces, and chooses kernels
        for _ in range(2):
            run()
    seconds: Seconds = {part: [] for part in runs}
    for _ in range(repeats):
        for part, run in runs.items():
            seconds[part].append(seconds_of(run))
    return counts, seconds


def format_rows(
    case: TimedModel, counts: Counts, seconds: Seconds
) -> list[list[str]]:
    """A line for each kind of convolution, for their sum, and for the rest."""
    empty, forward = np.array(seconds[EMPTY]), np.array(seconds[FORWARD])
    turns = {
        part: count * np.maximum(seconds[part] - empty, 0.0)
        for part, count in counts.items()
    }
    kinds = collections.defaultdict(list)
    for part in counts:
        kinds[part.label].append(part)
    rows = []
    for label, parts in [*sorted(kinds.items()), (CONVOLUTIONS, list(counts))]:
        spent = sum(turns[part] for part in parts)
        work = sum(part.multiply_adds * counts[part] for part in parts)
        calls = sum(counts[part] for part in parts)
        rows.append([label, str(calls), f"{work / 1e6:,.1f}", spent])
    rows.append([FORWARD, "1", "-", forward])
    lines = [
        [label, case.model, *cells, *_times(spent, forward)]
        for label, *cells, spent in rows
    ]
    last = [f"{FORWARD} / {CONVOLUTIONS}", case.model, "-", "-", "-"]
    return [list(COLUMNS), *lines, [*last, _ratio(forward, spent)]]


def _ratio(forward: np.ndarray, convolutions: np.ndarray) -> str:
    if not convolutions.all():  # no longer than empty calls
        return "-"
    return f"{statistics.median(forward / convolutions):.2f}"


def _times(spent: np.ndarray, forward: np.ndarray) -> list[str]:
    """Milliseconds, and the share of the forward pass."""
    share = statistics.median(spent / forward)
    return [f"{1e3 * statistics.median(spent):.2f}", f"{share:.3f}"]
