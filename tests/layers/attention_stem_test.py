import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.attention_stem import AttentionStem, attention_stem
from tests.layers.layer_case import randomize
from tests.layers.plain_case import short_name
from tests.reference import local_attention as reference


def _images(*shape):
    rng = np.random.default_rng(3)
    return tf.constant(rng.normal(size=(*shape, 3)), tf.float32)


def _build(logits_bytes=10**9):
    stem = AttentionStem(8, heads=2, mixtures=3, logits_bytes=logits_bytes)
    stem(tf.zeros([1, 1, 1, 3]))
    randomize(stem)
    return stem


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (1, 2)])
def test_equals_slow_loops(size, training):
    stem, x = _build(), _images(2, *size)
    weights = {short_name(weight): weight.numpy() for weight in stem.weights}
    expected = reference.attention_stem(x, weights, heads=2, training=training)
    actual = stem(x, training=training)
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)
    assert actual.shape[1:3] == tuple(-(-side // 4) for side in size)


def test_the_budget_changes_nothing():
    x = _images(2, 9, 14)
    loss = []
    for limit in (1, 10**9):
        stem = _build(limit)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.sin(stem(x, training=True)))
        found = tape.gradient(total, [x, *stem.trainable_weights])
        loss.append([total, *found])
    for one, other in zip(*loss, strict=True):
        largest = np.max(np.abs(one))
        assert largest > 0.0
        np.testing.assert_allclose(one, other, atol=1e-5 * largest)


def test_the_papers_stem():
    """Four heads of 16 channels and, by choice, four mixtures."""
    stem = attention_stem(2.0)
    assert stem(_images(1, 5, 8)).shape == (1, 2, 2, 64)
    shapes = {short_name(w): w.shape for w in stem.trainable_weights}
    assert shapes == {
        "query_kernel": (3, 64),
        "key_kernel": (3, 64),
        "value_kernel": (4, 3, 64),
        "row_position": (4, 16),
        "column_position": (4, 16),
        "mixture_position": (4, 16),
        "batch_norm/gamma": (64,),
        "batch_norm/beta": (64,),
    }


def test_bad_heads_are_named():
    with pytest.raises(ValueError, match="must divide.*heads=3"):
        AttentionStem(64, heads=3)
