import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.decoders.hamburger_decoder import (
    ContextDecoder,
    concat_levels,
)
from axial_deeplab.layers.convolution import ConvNormAct, resize_half_pixel
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features, pyramid


def _slow_resize(x, size):
    """Pixel i reads (i + 1/2) n / m - 1/2, within the map."""
    x = np.asarray(x, np.float64)
    out = np.zeros((len(x), *size, x.shape[3]))
    for place in np.ndindex(*size):
        value = 0.0
        corners = [
            _neighbours(i, n, m)
            for i, n, m in zip(place, x.shape[1:3], size, strict=True)
        ]
        for (y, share_y), (c, share_c) in [
            (a, b) for a in corners[0] for b in corners[1]
        ]:
            value = value + share_y * share_c * x[:, y, c]
        out[:, place[0], place[1]] = value
    return out


def _neighbours(i, n, m):
    source = min(max((i + 0.5) * n / m - 0.5, 0.0), n - 1)
    below = int(source)
    share = source - below
    return [(below, 1 - share), (min(below + 1, n - 1), share)]


@pytest.mark.parametrize("size", [(7, 9), (3, 2), (4, 5), (1, 1), (13, 8)])
def test_half_pixel_resize_equals_slow_loops(size):
    x = features(2, 4, 5, 3)
    actual = resize_half_pixel(x, tf.constant(size))
    np.testing.assert_allclose(actual, _slow_resize(x, size), atol=1e-5)


def test_levels_stand_side_by_side_at_the_size_of_the_first():
    maps = [pyramid()[level] for level in ("3", "5", "2")]
    expected = [maps[0], *(_slow_resize(x, (7, 9)) for x in maps[1:])]
    actual = concat_levels(maps)
    np.testing.assert_allclose(actual, np.concatenate(expected, -1), atol=1e-5)


class _Doubled(tf_keras.layers.Layer):
    def call(self, x, training=False):
        return 2.0 * x


def test_decoder_is_squeeze_context_and_align():
    decoder = ContextDecoder(4, _Doubled(), ("3", "5"), groups=2)
    decoder(pyramid())
    randomize(decoder)
    x = concat_levels([pyramid()[level] for level in ("3", "5")])
    expected = decoder.align(2.0 * decoder.squeeze(x))
    np.testing.assert_allclose(decoder(pyramid()), expected, atol=1e-6)
    kernels = [layer.conv.kernel.shape for layer in _convolutions(decoder)]
    assert kernels == [(1, 1, 10, 4), (1, 1, 4, 4)]


def _convolutions(decoder):
    return decoder.squeeze, decoder.align


def test_training_reaches_the_context():
    norm = ConvNormAct(4)  # one that differs in training
    decoder = ContextDecoder(4, norm, ("3",), groups=2)
    before = decoder(pyramid())
    assert np.any(decoder(pyramid(), training=True) != before)
