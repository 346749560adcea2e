import numpy as np
import pytest

from axial_deeplab.layers.activations import activate
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.inverted_residual import (
    InvertedOptions,
    InvertedResidual,
    divisible,
)
from tests.layers.layer_case import randomize
from tests.layers.layer_inputs import features


def test_hard_swish():
    x = np.array([-4.0, -3.0, -1.5, 0.0, 1.0, 3.0, 5.0], np.float32)
    expected = [0.0, 0.0, -0.375, 0.0, 2 / 3, 3.0, 5.0]
    np.testing.assert_allclose(activate(x, "hard_swish"), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 8), (12, 16), (22, 24), (18, 24), (67.2, 64)]
)
def test_channels_are_divisible(count, expected):
    assert divisible(count) == expected


def test_unknown_activations_are_refused():
    options = InvertedOptions(8, activation="gelu")
    for build in (
        lambda: ConvNormAct(4, activation="gelu"),
        lambda: InvertedResidual(4, options),
    ):
        with pytest.raises(ValueError, match="relu or hard_swish; got 'gelu'"):
            build()


def test_recomputed_training_is_the_same():
    """Both outputs, and the statistics, which are updated once."""
    x, found = features(2, 6, 7, 6), []
    for recompute in (False, True):
        options = InvertedOptions(8, gated=True, residual=True)
        block = InvertedResidual(6, options, recompute=recompute)
        block(x)
        randomize(block)
        outputs = block(x, training=True)
        found.append([*outputs, *block.non_trainable_weights])
    for plain, again in zip(*found, strict=True):
        np.testing.assert_allclose(plain, again, atol=1e-6)


def test_a_residual_is_added():
    x, found = features(2, 6, 7, 6), []
    for residual in (False, True):
        block = InvertedResidual(6, InvertedOptions(8, residual=residual))
        block(x)
        randomize(block)
        found.append(block(x))
    (inside, without), (same, added) = found
    np.testing.assert_array_equal(inside, same)
    np.testing.assert_allclose(added, without + x, atol=1e-6)
