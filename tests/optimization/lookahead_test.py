import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.optimization import Lookahead, RectifiedAdam, WarmUpPoly
from tests.optimization import trajectories
from tests.reference import optimizers as reference


def ranger(**settings):
    schedule = WarmUpPoly(0.05, total_steps=40, warmup_steps=3)
    return Lookahead(
        RectifiedAdam(schedule, weight_decay=0.01), sync_period=3, **settings
    )


def problem():
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=5).astype(np.float32),
        rng.normal(size=[20, 5]).astype(np.float32),
    )


def slow_ranger(weights, gradients):
    """RAdam with Lookahead of `ranger`, from the loops of the papers."""
    rates = [WarmUpPoly(0.05, 40, 3)(step) for step in range(len(gradients))]
    weights, path = np.array(weights, np.float64), []
    slow = weights
    # The moments do not depend on the weights here, so the updates of RAdam
    # without decay can be taken from one run.
    steps = reference.rectified_adam(weights * 0, gradients, rates)
    updates = np.diff(steps, axis=0, prepend=0)
    for step, (update, rate) in enumerate(zip(updates, rates, strict=True), 1):
        weights = weights + update - float(rate) * 0.01 * weights
        if step % 3 == 0:
            slow = weights = slow + 0.5 * (weights - slow)
        path.append(weights)
    return np.array(path)


def test_around_sgd_equals_the_paper():
    weights, gradients = problem()
    path = trajectories.run(
        Lookahead(tf_keras.optimizers.SGD(0.1), 4, 0.3), weights, gradients
    )
    expected = reference.lookahead(
        weights, lambda w, t: w - 0.1 * gradients[t], len(gradients), 4, 0.3
    )
    trajectories.assert_same_path(path, expected, weights, 1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_around_radam_equals_the_papers(compiled):
    weights, gradients = problem()
    path = trajectories.run(ranger(), weights, gradients, compiled)
    expected = slow_ranger(weights, gradients)
    trajectories.assert_same_path(path, expected, weights, 2e-5)


def test_shares_counter_and_rate_with_the_inner_optimizer():
    optimizer = Lookahead(RectifiedAdam(0.1))
    variable = tf.Variable([1.0])
    optimizer.apply_gradients([(tf.ones([1]), variable)])
    assert int(optimizer.iterations) == 1
    assert int(optimizer.inner_optimizer.iterations) == 1
    optimizer.learning_rate = 0.0  # as a callback does
    optimizer.apply_gradients([(tf.ones([1]), variable)])
    np.testing.assert_allclose(variable, [0.9], rtol=1e-6)


def test_clipping_of_the_inner_optimizer_acts():
    weights, gradients = problem()
    optimizer = Lookahead(tf_keras.optimizers.SGD(0.1, global_clipnorm=0.01))
    path = trajectories.run(optimizer, weights, gradients[:1])
    step = gradients[0] / np.linalg.norm(gradients[0]) * 0.001
    np.testing.assert_allclose(path[0], weights - step, rtol=1e-6)


def test_loss_scaling_skips_an_overflow_and_nothing_else():
    weights, gradients = problem()
    scaled = tf_keras.mixed_precision.LossScaleOptimizer(
        ranger(), dynamic=True, initial_scale=4.0
    )
    variable, plain = tf.Variable(weights), tf.Variable(weights)
    bad = gradients[0] * np.inf
    scaled.apply_gradients([(tf.constant(bad), variable)])
    np.testing.assert_array_equal(variable, weights)
    assert float(scaled.loss_scale) == 2.0
    optimizer = ranger()
    optimizer.iterations.assign(1)  # a skipped step counts
    for gradient in gradients[:5]:
        scaled.apply_gradients([(tf.constant(gradient), variable)])
        optimizer.apply_gradients([(tf.constant(gradient), plain)])
    np.testing.assert_allclose(variable, plain, rtol=1e-6)
    assert np.abs(variable - weights).max() > 1e-3


def toy_model():
    tf_keras.utils.set_random_seed(3)
    return tf_keras.Sequential(
        [
            tf_keras.layers.Dense(4, activation="relu", input_shape=(3,)),
            tf_keras.layers.Dense(1),
        ]
    )


def toy_fit(model, epochs):
    rng = np.random.default_rng(1)
    images = rng.normal(size=[8, 3])
    sums = images.sum(1, keepdims=True)
    model.fit(images, sums, 4, epochs, verbose=0, shuffle=False)


def assert_continue_alike(model, copy):
    """Both stand at the same step and take the same further steps."""
    assert int(model.optimizer.iterations) == int(copy.optimizer.iterations)
    for each in (model, copy):
        toy_fit(each, 3)
    for ours, theirs in zip(
        model.get_weights(), copy.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


def test_keras_file_keeps_the_state(tmp_path):
    model = toy_model()
    model.compile(ranger(), "mse")
    toy_fit(model, 4)  # 8 steps: between two synchronisations
    model.save(tmp_path / "model.keras")
    copy = tf_keras.models.load_model(tmp_path / "model.keras")
    assert int(copy.optimizer.iterations) == 8
    assert copy.optimizer.get_config() == model.optimizer.get_config()
    assert_continue_alike(model, copy)


@pytest.mark.parametrize("restore_first", [True, False])
def test_checkpoint_keeps_the_state(tmp_path, restore_first):
    model = toy_model()
    model.compile(ranger(), "mse")
    toy_fit(model, 4)
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "checkpoint"))
    copy = toy_model()
    copy.compile(ranger(), "mse")
    if not restore_first:
        toy_fit(copy, 1)
    status = tf.train.Checkpoint(model=copy).restore(path)
    assert_continue_alike(model, copy)
    status.assert_existing_objects_matched()


def test_fit_leaves_the_moving_average_also_under_xla():
    rng = np.random.default_rng(2)
    image, target = rng.normal(size=[1, 3]), np.ones([1, 1])
    average = None
    model = toy_model()
    model.compile(ranger(), "mse")
    for _ in range(7):
        average = average or model.get_weights()
        model.train_on_batch(image, target)
        average = [
            0.8 * a + 0.2 * w
            for a, w in zip(average, model.get_weights(), strict=True)
        ]
    averaged = toy_model()
    averaged.compile(
        ranger(use_ema=True, ema_momentum=0.8), "mse", jit_compile=True
    )
    averaged.fit(image, target, epochs=7, verbose=0)
    for ours, expected in zip(averaged.get_weights(), average, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


def test_config_round_trip():
    optimizer = ranger(slow_step_size=0.8, name="mine")
    saved = tf_keras.optimizers.serialize(optimizer)
    copy = tf_keras.optimizers.deserialize(saved)
    assert type(copy) is Lookahead
    assert copy.get_config() == optimizer.get_config()
    assert copy.sync_period == 3 and copy.slow_step_size == 0.8
    assert copy.inner_optimizer.weight_decay == 0.01
    assert copy.name == "mine"


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="not a legacy.*legacy.adam"):
        Lookahead(tf_keras.optimizers.legacy.Adam())
    with pytest.raises(TypeError, match="LossScaleOptimizer.*around"):
        Lookahead(tf_keras.mixed_precision.LossScaleOptimizer(RectifiedAdam()))
    with pytest.raises(ValueError, match="sync_period=0"):
        Lookahead(RectifiedAdam(), 0)
    with pytest.raises(TypeError, match="clipnorm.*inner"):
        Lookahead(RectifiedAdam(), clipnorm=1.0)


def test_another_keras_gets_one_clear_line():
    import keras

    with pytest.raises(TypeError, match="Keras 3"):
        Lookahead(keras.optimizers.SGD())
