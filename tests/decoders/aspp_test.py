import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.decoders.aspp import ASPP, ASPP_RATES
from axial_deeplab.layers.convolution import ConvNormAct, SeparableConvNormAct
from tests.layers.layer_case import check_layer, randomize
from tests.reference import convolution as reference


def _features(*shape):
    rng = np.random.default_rng(3)
    return tf.constant(rng.normal(size=shape), tf.float32)


def _aspp(x, **options):
    layer = ASPP(4, **({"rates": (1, 2, 3), "dropout": 0.0} | options))
    layer(x)
    randomize(layer)
    return layer


def _expected(layer, x, training):
    atrous = reference.conv_norm_act
    if layer.separable:
        atrous = reference.separable_conv_norm_act
    branches = [reference.conv_norm_act(layer.point, x, training)]
    branches += [atrous(branch, x, training) for branch in layer.atrous]
    size = layer.pool_size or x.shape[1:3]
    size = [
        min(one, other) for one, other in zip(size, x.shape[1:3], strict=True)
    ]
    pooled = reference.average_pool(x, size)
    pooled = reference.conv_norm_act(layer.pooled, pooled, training)
    branches.append(reference.resize(pooled, x.shape[1:3]))
    joined = np.concatenate(branches, axis=-1)
    return reference.conv_norm_act(layer.project, joined, training)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("pool_size", [None, (3, 4), (5, 1), (9, 9)])
def test_aspp_equals_loops(pool_size, separable, training):
    x = _features(2, 5, 6, 3)
    layer = _aspp(x, separable=separable, pool_size=pool_size)
    np.testing.assert_allclose(
        layer(x, training=training),
        _expected(layer, x, training),
        rtol=1e-4,
        atol=1e-4,
    )


def test_branches_are_of_the_kind_and_the_rates_asked_for():
    for separable, kind in ((False, ConvNormAct), (True, SeparableConvNormAct)):
        layer = ASPP(4, rates=(2, 4, 6), separable=separable)
        assert all(type(branch) is kind for branch in layer.atrous)
        assert [branch.dilation for branch in layer.atrous] == [2, 4, 6]
        assert [branch.kernel_size for branch in layer.atrous] == [3, 3, 3]


def test_a_pool_may_be_larger_than_the_map_of_unknown_size():
    x = _features(2, 5, 6, 3)
    layer = _aspp(x, pool_size=(3, 4))
    traced = tf.function(
        layer, input_signature=[tf.TensorSpec([None, None, None, 3])]
    )
    for part in (x, x[:, :2], x[:, :, :1], x[:, :1, :1]):
        expected = _expected(layer, part, False)
        np.testing.assert_allclose(traced(part), expected, atol=1e-4)


def test_dropout_acts_in_training_only():
    tf.random.set_seed(5)
    x = _features(2, 5, 6, 3)
    kept, dropping = _aspp(x), _aspp(x, dropout=0.5)
    dropping.set_weights(kept.get_weights())
    np.testing.assert_array_equal(dropping(x), kept(x))
    full, part = kept(x, training=True), dropping(x, training=True)
    dropped = (part == 0) & (full > 0)
    assert 0.3 < np.mean(dropped[full > 0]) < 0.7
    survivors = part > 0
    np.testing.assert_allclose(part[survivors], 2 * full[survivors], rtol=1e-5)


def test_rates_grow_with_the_resolution():
    assert ASPP_RATES == {32: (3, 6, 9), 16: (6, 12, 18), 8: (12, 24, 36)}


@pytest.mark.parametrize("pool_size", [None, (3, 4)])
def test_contract_of_the_plain_kind(pool_size):
    layer = ASPP(4, rates=(1, 2, 3), separable=False, pool_size=pool_size)
    check_layer(layer, _features(2, 5, 7, 3))
