import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.models.heads import PredictionHead
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features
from tests.reference import convolution as reference


@pytest.mark.parametrize("training", [False, True])
def test_head_equals_loops(training):
    x = features(2, 5, 6, 4)
    head = PredictionHead(3, 7)
    head(x)
    randomize(head)
    mixed = reference.separable_conv_norm_act(head.separable, x, training)
    expected = reference.convolution(mixed, head.project.kernel)
    np.testing.assert_allclose(
        head(x, training=training),
        expected + head.project.bias.numpy(),
        rtol=1e-4,
        atol=1e-4,
    )
    assert head.separable.depthwise.depthwise_kernel.shape == (5, 5, 4, 1)


def test_a_new_head_starts_near_zero():
    tf.random.set_seed(5)
    head = PredictionHead(3, 200)
    head(features(1, 2, 2, 4))
    np.testing.assert_array_equal(head.project.bias, 0.0)
    kernel = head.project.kernel.numpy()
    # Normal of deviation 0.01, cut at two of them.
    assert np.abs(kernel).max() <= 0.02
    assert 0.007 < kernel.std() < 0.01
