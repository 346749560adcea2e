import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.residual import BasicBlock, BottleneckBlock
from tests.layers.layer_case import randomize
from tests.reference import convolution as reference


def _inputs(*shape):
    rng = np.random.default_rng(3)
    return tf.constant(rng.normal(size=shape), tf.float32)


def _block(filters=6, stride=1, **options):
    spatial = ConvNormAct(4, 3, stride=stride, activation=False)
    return BottleneckBlock(spatial, 4, filters, stride=stride, **options)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("filters", "stride"), [(6, 1), (6, 2), (8, 1), (8, 2)]
)
def test_block_equals_loops(filters, stride, training):
    x = _inputs(2, 5, 6, 6)
    block = _block(filters, stride)
    block(x)
    randomize(block)
    shortcut = x
    if block.shortcut is not None:
        shortcut = reference.conv_norm_act(block.shortcut, x, training)
    branch = reference.conv_norm_act(block.reduce, x, training)
    branch = reference.conv_norm_act(block.spatial, branch, training)
    branch = reference.conv_norm_act(
        block.expand, reference.relu(branch), training
    )
    np.testing.assert_allclose(
        block(x, training=training),
        reference.relu(branch + shortcut),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", [{}, {"dilation": 2}, {"stride": 2}])
def test_basic_block_equals_loops(options, training):
    x = _inputs(2, 5, 6, 6)
    block = BasicBlock(8, **options)
    block(x)
    randomize(block)
    branch = x
    for layer in (block.first, block.second):
        branch = reference.conv_norm_act(layer, branch, training)
    shortcut = reference.conv_norm_act(block.shortcut, x, training)
    np.testing.assert_allclose(
        block(x, training=training),
        reference.relu(branch + shortcut),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("kind", ["bottleneck", "basic"])
def test_shortcut_that_samples_has_no_convolution(kind):
    x = _inputs(1, 5, 6, 6)
    if kind == "basic":
        block = BasicBlock(6, stride=2, samples=True)
    else:
        block = _block(6, 2, samples=True)
    # A new block adds nothing to its shortcut.
    np.testing.assert_array_equal(block(x), tf.nn.relu(x)[:, ::2, ::2])
    assert block.shortcut is None
    wider = BasicBlock(8, stride=2, samples=True)
    wider(x)
    assert wider.shortcut is not None


@pytest.mark.parametrize(
    ("filters", "stride", "projected"),
    [(6, 1, False), (6, 2, True), (8, 1, True), (8, 2, True)],
)
def test_shortcut_is_projected_where_shapes_change(filters, stride, projected):
    block = _block(filters, stride)
    block(_inputs(1, 5, 6, 6))
    assert (block.shortcut is not None) == projected
    if projected:
        assert block.shortcut.conv.kernel.shape == (1, 1, 6, filters)
        assert not block.shortcut.activation


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("filters", "stride"), [(6, 1), (8, 2)])
def test_a_new_block_is_its_shortcut(filters, stride, training):
    """The last gamma starts at zero, so that deep networks start shallow."""
    x = _inputs(2, 5, 6, 6)
    block = _block(filters, stride)
    actual = block(x, training=training)
    shortcut = x
    if block.shortcut is not None:
        shortcut = block.shortcut(x, training=training)
    np.testing.assert_allclose(actual, tf.nn.relu(shortcut), atol=1e-6)


def test_stride_samples_the_map_of_the_unstrided_block():
    """Pointwise layers and axial attention commute with dropping pixels."""
    x = _inputs(2, 7, 6, 6)
    mixer = AxialMixer(heads=2, max_distance=9)
    dense, strided = (
        BottleneckBlock(mixer.build(4, stride), 8, 16, stride=stride)
        for stride in (1, 2)
    )
    dense(x), strided(x)
    randomize(dense)
    strided.set_weights(dense.get_weights())
    np.testing.assert_allclose(
        strided(x), dense(x)[:, ::2, ::2], rtol=1e-5, atol=1e-5
    )


def test_drop_path_drops_the_branch_and_keeps_the_shortcut():
    tf.random.set_seed(1)
    x = tf.nn.relu(_inputs(40, 2, 2, 6))
    block = _block(drop_path=0.5)
    block(x)
    randomize(block)
    inferred = block(x).numpy()
    trained = block(x, training=True).numpy()
    dropped = np.all(trained == x.numpy(), axis=(1, 2, 3))
    assert 8 < dropped.sum() < 32
    assert not np.any(np.all(inferred == x.numpy(), axis=(1, 2, 3)))
