import itertools

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.attention_options import AttentionOptions
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.folded_weights import fold_model, folded_weights
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features
from tests.reference.plain_attention import PlainAxialAttention

_ARGUMENTS = {"filters": 8, "key_filters": 4, "axis": "width", "heads": 2}


def _layer(kind=AxialAttention, **arguments):
    layer = kind(**_ARGUMENTS, **arguments)
    layer(features(1, 2, 3, 6))
    randomize(layer)
    return layer


def test_folded_layer_reads_none_of_its_norms():
    layer, x = _layer(), features(1, 3, 5, 6)
    expected = layer(x)
    folded = fold_model(layer)
    for norm in (layer.qkv_norm, layer.similarity_norm, layer.output_norm):
        randomize(norm, seed=7)
    with folded_weights(folded):
        np.testing.assert_array_equal(layer(x), expected)
    assert np.abs(layer(x) - expected).max() > 0.1


@pytest.mark.parametrize("terms", itertools.product([False, True], repeat=3))
def test_any_terms_fold(terms):
    options = dict(zip(("query", "key", "value"), terms, strict=True))
    layer = _layer(options=AttentionOptions(**options))
    folded = fold_model(layer)[id(layer)]
    used = {name for name, on in options.items() if on}
    assert set(folded.factors) == {"content"} | used
    x = features(2, 3, 4, 6)
    # What training computes with frozen statistics is not folded.
    layer.trainable = False
    np.testing.assert_allclose(layer(x), layer(x, training=True), atol=1e-5)


def test_terms_that_a_norm_switched_off_stay_off():
    ours, plain = (
        _layer(kind) for kind in (AxialAttention, PlainAxialAttention)
    )
    for layer in (ours, plain):
        gamma = layer.similarity_norm.gamma
        gamma.assign(gamma * [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    plain.set_weights(ours.get_weights())
    x = features(2, 3, 7, 6)
    np.testing.assert_allclose(ours(x), plain(x), atol=1e-5)


def test_gradients_of_inference_reach_what_it_uses():
    layer, x = _layer(), features(2, 3, 4, 6)
    layer.trainable = False
    frozen = [layer.qkv_kernel, *layer.qkv_norm.weights[:2]]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(frozen)
        folded = tf.reduce_sum(layer(x) ** 2)
        unfolded = tf.reduce_sum(layer(x, training=True) ** 2)
    for actual, expected in zip(
        tape.gradient(folded, frozen),
        tape.gradient(unfolded, frozen),
        strict=True,
    ):
        largest = np.abs(expected).max()
        assert largest > 0
        np.testing.assert_allclose(actual, expected, atol=1e-4 * largest)
