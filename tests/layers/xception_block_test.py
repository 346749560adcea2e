import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.xception_block import XceptionBlock
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features
from tests.reference import convolution as reference


def _block(filters=(4, 5, 6), **options):
    block = XceptionBlock(filters, **options)
    block(tf.zeros([1, 3, 3, 6]))
    randomize(block)
    return block


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("options", "projected"),
    [
        ({}, False),
        ({"dilation": 2}, False),
        ({"stride": 2}, True),
        ({"filters": (4, 5, 7)}, True),
    ],
)
def test_block_equals_loops(options, projected, training):
    x = features(2, 5, 6, 6)
    block = _block(**options)
    assert (block.shortcut is not None) == projected
    shortcut = x
    if projected:
        shortcut = reference.conv_norm_act(block.shortcut, x, training)
    branch = x
    for convolution in block.convolutions:
        assert convolution.dilation == block.dilation
        branch = reference.separable_conv_norm_act(
            convolution, reference.relu(branch), training
        )
    actual = block(x, training=training)
    np.testing.assert_allclose(actual, branch + shortcut, rtol=1e-4, atol=1e-4)
    assert np.any(actual < 0)


def test_the_last_convolution_strides():
    block = _block(stride=2)
    assert [one.stride for one in block.convolutions] == [1, 1, 2]
    assert block(features(1, 5, 6, 6)).shape == (1, 3, 3, 6)


def test_drop_path_drops_the_branch_and_keeps_the_shortcut():
    tf.random.set_seed(1)
    x = features(40, 2, 2, 6)
    trained = _block(drop_path=0.5)(x, training=True).numpy()
    dropped = np.all(trained == x.numpy(), axis=(1, 2, 3))
    assert 8 < dropped.sum() < 32


def test_recomputation_changes_no_gradient():
    x = features(2, 5, 6, 6)
    found = []
    for recompute in (False, True):
        block = _block(recompute=recompute)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(block(x, training=True)))
        found.append(tape.gradient(loss, [x, *block.trainable_weights]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
