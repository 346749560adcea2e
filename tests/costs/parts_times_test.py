import collections

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.costs import parts_times
from axial_deeplab.costs.parts_times import Convolution
from axial_deeplab.timing import TimedModel
from tests.models.tiny_models import tiny_semantic

STRIDED = Convolution(
    "Conv2D", (1, 9, 11, 3), (3, 3, 3, 4), (2, 2), "VALID", (1, 1)
)
STRIP = Convolution(
    "DepthwiseConv2dNative", (1, 4, 5, 4), (1, 7, 4, 1), (1, 1), "SAME", (1, 1)
)
ATROUS = Convolution(
    "DepthwiseConv2dNative", (1, 4, 5, 4), (3, 3, 4, 1), (1, 1), "SAME", (2, 2)
)


def _model():
    def strip(x, kernel):
        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")

    class Model(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = tf_keras.layers.Conv2D(4, 3, strides=2)

        def call(self, x, training=False):
            x = self.conv(x)
            if not training:
                return x
            for _ in range(2):
                x = strip(x, tf.ones([1, 7, 4, 1]))
            return x

    return Model()


def test_convolutions_are_those_of_training():
    found = parts_times.convolutions_of(_model(), (1, 9, 11, 3))
    assert found == {STRIDED: 1, STRIP: 2}


def test_kinds_and_multiply_adds():
    assert [part.label for part in (STRIDED, STRIP, ATROUS)] == [
        *("3x3 stride 2", "1x7 depthwise", "3x3 depthwise rate 2")
    ]
    assert [part.multiply_adds for part in (STRIDED, STRIP, ATROUS)] == [
        *(4 * 5 * 9 * 3 * 4, 20 * 7 * 4, 20 * 9 * 4)
    ]


@pytest.mark.parametrize("part", [STRIDED, STRIP, ATROUS])
def test_parts_compute_what_they_say(part):
    rng = np.random.default_rng(0)
    x, kernel = (
        rng.normal(size=size).astype(np.float32)
        for size in (part.shape, part.kernel)
    )
    filters = 4
    bias = rng.normal(size=filters).astype(np.float32)
    if part.op == "Conv2D":
        layer = tf_keras.layers.Conv2D(filters, 3, strides=2)
    else:
        layer = tf_keras.layers.DepthwiseConv2D(
            part.kernel[:2], padding="same", dilation_rate=part.dilations
        )
    layer.build(part.shape)
    layer.set_weights([kernel, bias])
    np.testing.assert_allclose(part.function()(), layer(x), atol=1e-5)


def test_sums_and_ratios_are_those_of_a_turn():
    case = TimedModel("some", (9, 11))
    counts = collections.Counter({STRIDED: 1, STRIP: 2, ATROUS: 1})
    seconds = {
        STRIDED: [0.011, 0.021, 0.031],
        STRIP: [0.003, 0.003, 0.003],
        ATROUS: [0.001, 0.001, 0.001],
        parts_times.FORWARD: [0.028, 0.024, 0.034],
        parts_times.EMPTY: [0.001, 0.001, 0.001],
    }
    heading, *rows = parts_times.format_rows(case, counts, seconds)
    assert heading == list(parts_times.COLUMNS)
    assert rows == [
        ["1x7 depthwise", "some", "2", "0.0", "4.00", "0.143"],
        ["3x3 depthwise rate 2", "some", "1", "0.0", "0.00", "0.000"],
        ["3x3 stride 2", "some", "1", "0.0", "20.00", "0.833"],
        ["convolutions", "some", "4", "0.0", "24.00", "1.000"],
        ["forward", "some", "1", "-", "28.00", "1.000"],
        ["forward / convolutions", "some", "-", "-", "-", "1.00"],
    ]


def test_all_are_measured_in_every_turn(monkeypatch):
    monkeypatch.setattr(
        parts_times, "create_model", lambda name: tiny_semantic()
    )
    counts, seconds = parts_times.measure(TimedModel("tiny", (20, 24)), 2)
    assert set(seconds) == {*counts, parts_times.FORWARD, parts_times.EMPTY}
    assert all(len(turns) == 2 for turns in seconds.values())
    assert {part.label for part in counts} >= {"1x3 depthwise", "5x1 depthwise"}
