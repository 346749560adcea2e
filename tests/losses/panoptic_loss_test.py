import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.losses import (
    CenterLoss,
    OffsetLoss,
    SemanticLoss,
    panoptic_losses,
)
from tests import golden
from tests.losses import toy_training
from tests.reference import losses as reference

CASES = {
    keys.SEMANTIC_LOGITS: (SemanticLoss, reference.cross_entropy),
    keys.CENTER_HEATMAP: (CenterLoss, reference.squared_error),
    keys.CENTER_OFFSET: (OffsetLoss, reference.absolute_error),
}


def outputs_of(model, images):
    return {key: value.numpy() for key, value in model(images).items()}


def test_default_weights_and_names():
    losses = panoptic_losses()
    assert {key: loss.weight for key, loss in losses.items()} == {
        keys.SEMANTIC_LOGITS: 1.0,
        keys.CENTER_HEATMAP: 200.0,
        keys.CENTER_OFFSET: 0.01,
    }
    fractions = {key: loss.top_k_fraction for key, loss in losses.items()}
    assert fractions == {
        keys.SEMANTIC_LOGITS: 0.2,
        keys.CENTER_HEATMAP: 1.0,
        keys.CENTER_OFFSET: 1.0,
    }


@pytest.mark.parametrize("key", CASES)
def test_call_is_the_weighted_batch_mean(key):
    images, targets, weights = toy_training.batch()
    outputs = outputs_of(toy_training.model(), images)
    cls, loops = CASES[key]
    loss = cls(top_k_fraction=0.4, weight=2.5)
    expected = 2.5 * reference.per_sample(
        loops, targets[key], outputs[key], weights[key], 0.4
    )
    each = loss.per_sample(targets[key], outputs[key], weights[key])
    np.testing.assert_allclose(each, expected, rtol=2e-6)
    total = loss(targets[key], outputs[key], sample_weight=weights[key])
    np.testing.assert_allclose(total, expected.mean(), rtol=2e-6)


def test_without_weights_every_pixel_counts_alike():
    _, targets, weights = toy_training.batch()
    key = keys.CENTER_OFFSET
    loss = OffsetLoss()
    predictions = targets[key] + 1.0
    ones = np.ones_like(weights[key])
    np.testing.assert_allclose(loss(targets[key], predictions), 1.0, rtol=1e-6)
    np.testing.assert_allclose(
        loss(targets[key], predictions),
        loss(targets[key], predictions, sample_weight=ones),
    )


def test_a_broken_sample_counts_as_0_but_a_broken_model_shows():
    _, targets, weights = toy_training.batch()
    key = keys.CENTER_HEATMAP
    maps = {"sample_weight": weights[key]}
    good = targets[key] + 1.0
    broken = good.copy()
    broken[0] = np.nan
    loss = CenterLoss()
    each = loss.per_sample(targets[key], good, weights[key])
    np.testing.assert_allclose(
        loss(targets[key], broken, **maps),
        np.sum(each[1:]) / len(each),
        rtol=1e-6,
    )
    assert np.isnan(loss(targets[key], good * np.nan, **maps))


def test_fit_reports_the_losses_of_a_loop_of_ones_own():
    images, targets, weights = toy_training.batch()
    model = toy_training.model()
    outputs = outputs_of(model, images)
    losses = panoptic_losses()
    expected = {
        f"{key}_loss": float(
            tf.reduce_mean(
                loss.per_sample(targets[key], outputs[key], weights[key])
            )
        )
        for key, loss in losses.items()
    }
    model.compile("sgd", loss=losses)
    history = model.fit(toy_training.dataset(), verbose=0).history
    for key, value in expected.items():
        np.testing.assert_allclose(history[key], value, rtol=1e-6)
    total = sum(expected.values())
    np.testing.assert_allclose(history["loss"], total, rtol=1e-6)


def test_fit_learns_under_xla():
    model = toy_training.model()
    model.compile(
        tf_keras.optimizers.Adam(0.02),
        loss=panoptic_losses(),
        jit_compile=True,
    )
    data = toy_training.dataset().repeat(30)
    history = model.fit(data, epochs=2, verbose=0).history["loss"]
    assert history[1] < 0.8 * history[0]


def test_mixed_precision_gives_float32_losses():
    images, targets, weights = toy_training.batch()
    model = toy_training.model(dtype="mixed_bfloat16")
    outputs = model(images)
    for key, loss in panoptic_losses().items():
        assert outputs[key].dtype == tf.bfloat16
        value = loss(targets[key], outputs[key], sample_weight=weights[key])
        assert value.dtype == tf.float32
        exact = loss(
            targets[key],
            tf.cast(outputs[key], tf.float32),
            sample_weight=weights[key],
        )
        np.testing.assert_array_equal(value, exact)


@pytest.mark.parametrize("cls", [SemanticLoss, CenterLoss, OffsetLoss])
def test_config_round_trip(cls):
    loss = cls(0.3, 7.0, tf_keras.losses.Reduction.SUM, "mine")
    saved = tf_keras.saving.serialize_keras_object(loss)
    copy = tf_keras.saving.deserialize_keras_object(saved)
    assert type(copy) is cls
    assert copy.get_config() == loss.get_config()
    assert copy.get_config() == {
        "top_k_fraction": 0.3,
        "weight": 7.0,
        "reduction": "sum",
        "name": "mine",
    }


def test_compiled_model_survives_saving(tmp_path):
    model = toy_training.model()
    model.compile("sgd", loss=panoptic_losses(0.5, 2.0, 3.0, 4.0))
    before = model.evaluate(toy_training.dataset(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    after = loaded.evaluate(toy_training.dataset(), verbose=0)
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_reductions():
    _, targets, weights = toy_training.batch()
    key = keys.CENTER_OFFSET
    arguments = (targets[key], targets[key] + [[[[1.0, 2.0]]]])
    maps = {"sample_weight": weights[key]}
    each = OffsetLoss(reduction="none")(*arguments, **maps)
    assert each.shape == [len(weights[key])]
    np.testing.assert_allclose(
        OffsetLoss(reduction="sum")(*arguments, **maps), sum(each), rtol=1e-6
    )


@pytest.mark.parametrize("fraction", [0.0, 1.5, -1])
def test_bad_fraction_is_named(fraction):
    with pytest.raises(ValueError, match=f"got {fraction}"):
        SemanticLoss(fraction)


def test_bad_shapes_are_named():
    logits = tf.zeros([2, 4, 5, 3])
    with pytest.raises(ValueError, match=r"targets \(2, 4, 5, 1\)"):
        SemanticLoss()(tf.zeros([2, 4, 5, 1], tf.int32), logits)
    with pytest.raises(ValueError, match=r"weights \(2, 4, 5, 1\)"):
        SemanticLoss()(
            tf.zeros([2, 4, 5], tf.int32), logits, tf.zeros([2, 4, 5, 1])
        )
    # A missing channel axis would be broadcast to something else.
    with pytest.raises(ValueError, match="CenterLoss.*needs predictions"):
        CenterLoss()(tf.zeros([4, 4, 4]), tf.zeros([4, 4, 4, 1]))


def golden_targets(name, data):
    """(loss class, targets, weights) of a golden prediction, unstrided."""
    arrays = data.arrays
    if name.startswith("semantic_logits"):
        labels = arrays["target/semantic_gt"]
        weights = arrays["target/semantic_loss_weight"]
        # The data pipeline folds the ignore label into the weights.
        weights = weights * (labels != data.meta["ignore_label"])
        return SemanticLoss, labels, weights
    if name == "center_heatmap":
        targets = arrays["target/instance_center_gt"][..., np.newaxis]
        return CenterLoss, targets, arrays["target/center_loss_weight"]
    targets = arrays["target/instance_regression_gt"]
    return OffsetLoss, targets, arrays["target/regression_loss_weight"]


@pytest.mark.golden
def test_golden_values_and_gradients():
    data = golden.load_golden("panoptic_deeplab_losses.npz")
    for name, settings in data.meta["losses"].items():
        prediction = data.arrays[f"pred/{settings['prediction']}"]
        shape = prediction.shape
        cls, targets, weights = golden_targets(settings["prediction"], data)
        if prediction.ndim == 3:
            prediction = prediction[..., np.newaxis]
        # The reference strides labels down to a smaller prediction.
        stride = (targets.shape[1] - 1) // (prediction.shape[1] - 1)
        targets = targets[:, ::stride, ::stride]
        weights = weights[:, ::stride, ::stride]
        variable = tf.constant(prediction)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            loss = cls(settings["top_k"]).per_sample(targets, variable, weights)
        np.testing.assert_allclose(
            loss, data.arrays[f"loss/{name}"], rtol=2e-6, err_msg=name
        )
        if f"grad/{name}" in data.arrays:
            golden.assert_close_to_largest(
                tape.gradient(loss, variable).numpy().reshape(shape),
                data.arrays[f"grad/{name}"],
                1e-5,
                name,
            )


@pytest.mark.golden
def test_golden_total():
    data = golden.load_golden("panoptic_deeplab_losses.npz")
    names = {
        keys.SEMANTIC_LOGITS: ("semantic_logits", "semantic_loss"),
        keys.CENTER_HEATMAP: ("center_heatmap", "center_loss"),
        keys.CENTER_OFFSET: ("offset_map", "regression_loss"),
    }
    total = 0
    for key, loss in panoptic_losses().items():
        prediction, family = names[key]
        _, targets, weights = golden_targets(prediction, data)
        prediction = data.arrays[f"pred/{prediction}"]
        if prediction.ndim == 3:
            prediction = prediction[..., np.newaxis]
        value = loss.per_sample(targets, prediction, weights)
        np.testing.assert_allclose(
            value, data.arrays[f"family/{family}"], rtol=2e-6, err_msg=key
        )
        total += value
    np.testing.assert_allclose(
        total, data.arrays["family/total_loss"], rtol=2e-6
    )
