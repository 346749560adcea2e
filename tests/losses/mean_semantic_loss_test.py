import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.losses import MeanSemanticLoss, SemanticLoss


def _pixels():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    classes = rng.integers(0, 5, (2, 3, 4))
    weights = np.zeros((2, 3, 4), np.float32)
    weights[0, :2] = 1.0
    weights[1, 0] = 2.0
    return classes, logits, weights


def test_pixels_without_weight_count_in_the_mean():
    classes, logits, weights = _pixels()
    chances = tf.nn.softmax(logits).numpy()
    losses = -np.log(np.take_along_axis(chances, classes[..., None], -1))
    expected = (losses[..., 0] * weights).reshape(2, -1).mean(axis=1)
    actual = MeanSemanticLoss(weight=3.0).per_sample(classes, logits, weights)
    np.testing.assert_allclose(actual, 3 * expected, rtol=1e-5)
    others = SemanticLoss().per_sample(classes, logits, weights).numpy()
    np.testing.assert_allclose(others, expected * [12 / 8, 12 / 4], rtol=1e-5)


def test_an_image_without_weight_has_no_loss():
    classes, logits, weights = _pixels()
    losses = MeanSemanticLoss().per_sample(classes, logits, 0 * weights)
    np.testing.assert_array_equal(losses, [0.0, 0.0])


def test_it_keeps_all_pixels():
    with pytest.raises(TypeError, match="top_k_fraction"):
        MeanSemanticLoss(top_k_fraction=0.5)


def test_config_round_trip():
    loss = MeanSemanticLoss(weight=2.0, name="semantic_loss")
    again = tf_keras.losses.deserialize(tf_keras.losses.serialize(loss))
    assert type(again) is MeanSemanticLoss
    assert again.get_config() == loss.get_config()
