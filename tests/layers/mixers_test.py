import numpy as np
import tensorflow as tf

from axial_deeplab.layers.attention_options import (
    POSITION_SENSITIVE,
    STAND_ALONE,
)
from axial_deeplab.layers.mixers import AxialMixer, ConvMixer, LocalMixer
from axial_deeplab.layers.normalization import NormOptions
from tests.layers.layer_case import randomize


def test_axial_mixer_builds_height_then_width_of_the_stage_width():
    norm = NormOptions(momentum=0.5)
    mixer = AxialMixer(heads=2, span=3, max_distance=7)
    layer = mixer.build(8, stride=2, norm=norm)
    assert mixer.inner_filters(8) == 16
    assert layer.stride == 2
    assert (layer.height.axis, layer.width.axis) == ("height", "width")
    for axis in (layer.height, layer.width):
        assert (axis.filters, axis.key_filters) == (16, 8)
        assert (axis.heads, axis.span, axis.max_distance) == (2, 3, 7)
        assert axis.norm == norm


def test_conv_mixer_builds_a_convolution_of_the_stage_width():
    norm = NormOptions(momentum=0.5)
    mixer = ConvMixer()
    assert mixer.inner_filters(8) == 8
    strided = mixer.build(8, stride=2, norm=norm)
    dilated = ConvMixer(5).build(8, stride=1, dilation=4)
    assert (strided.stride, strided.dilation, strided.norm) == (2, 1, norm)
    assert (dilated.stride, dilated.dilation) == (1, 4)
    assert (strided.kernel_size, dilated.kernel_size) == (3, 5)
    for layer in (strided, dilated):
        assert layer.filters == 8 and not layer.activation


def test_local_mixer_builds_windows_of_the_stage_width():
    norm = NormOptions(momentum=0.5)
    mixer = LocalMixer(heads=2, span=5, options=STAND_ALONE)
    layer = mixer.build(8, stride=2, norm=norm)
    assert mixer.inner_filters(8) == 8
    assert (layer.filters, layer.heads, layer.window) == (8, 2, 5)
    assert (layer.stride, layer.norm) == (2, norm)
    assert layer.options == STAND_ALONE
    default = LocalMixer().build(64, stride=1)
    assert (default.heads, default.window, default.stride) == (8, 7, 1)
    assert default.options == POSITION_SENSITIVE


def test_span_reaches_the_layer():
    """With span 1 a pixel of the map depends on itself alone."""
    layer = AxialMixer(heads=2, span=1, max_distance=3).build(4, stride=1)
    x = np.random.default_rng(3).normal(size=(1, 4, 4, 8))
    layer(x)
    randomize(layer)
    before = layer(x)
    x[0, 1, 2] += 1.0
    changed = np.any(layer(x) != before, axis=-1)
    np.testing.assert_array_equal(np.argwhere(changed), [[0, 1, 2]])


def test_defaults_are_the_papers():
    layer = AxialMixer().build(64, stride=1)
    layer(tf.zeros([1, 2, 2, 128]))
    for axis in (layer.height, layer.width):
        assert (axis.heads, axis.span) == (8, None)
        assert axis.qkv_kernel.shape == (128, 64 + 64 + 128)
        assert axis.query_position.shape == (509, 8)
        assert axis.value_position.shape == (509, 16)
