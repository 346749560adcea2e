import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.optimization import (
    WarmUpCosine,
    WarmUpPoly,
    WarmUpTimesPoly,
)


def expected(step, base, total, warmup, power, end):
    if step < warmup:
        return base * step / warmup
    return (base - end) * (1 - min(step, total) / total) ** power + end


@pytest.mark.parametrize(
    "settings",
    [
        (1e-3, 60000, 2000, 0.9, 0.0),
        (0.1, 10, 0, 1.0, 0.01),
        (0.1, 10, 10, 2.0, 0.0),
    ],
)
def test_values_equal_the_formula(settings):
    schedule = WarmUpPoly(*settings)
    _, total, warmup, *_ = settings
    steps = {0, 1, warmup - 1, warmup, warmup + 1, total - 1, total, total + 5}
    for step in sorted(step for step in steps if step >= 0):
        np.testing.assert_allclose(
            schedule(step),
            expected(step, *settings),
            rtol=2e-6,
            err_msg=str(step),
        )


def test_decay_counts_from_step_0_not_from_the_warm_up():
    schedule = WarmUpPoly(1.0, total_steps=100, warmup_steps=50, power=1.0)
    np.testing.assert_allclose(schedule(49), 0.98, rtol=1e-6)
    np.testing.assert_allclose(schedule(50), 0.5, rtol=1e-6)


def test_integer_steps_of_a_long_training_and_graphs():
    schedule = WarmUpPoly(1.0, total_steps=2**24, power=1.0)
    step = 2**24 - 3
    np.testing.assert_allclose(
        tf.function(schedule)(tf.constant(step, tf.int64)), 3 / 2**24, rtol=1e-6
    )
    assert schedule(tf.constant(step, tf.int64)).dtype == tf.float32


@pytest.mark.parametrize(
    "schedule",
    [WarmUpPoly(0.5, 20, 4, 0.8, 0.1), WarmUpCosine(0.5, 20, 4, 64)],
    ids=["poly", "cosine"],
)
def test_survives_saving_of_a_compiled_model(tmp_path, schedule):
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, input_shape=(2,))])
    model.compile(tf_keras.optimizers.SGD(schedule), "mse")
    model.fit(np.ones([6, 2]), np.ones([6, 1]), batch_size=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    copy = loaded.optimizer._learning_rate
    assert copy.get_config() == schedule.get_config()
    assert int(loaded.optimizer.iterations) == 6
    np.testing.assert_allclose(copy(6), schedule(6))


@pytest.mark.parametrize(
    "arguments",
    [(0.1, 0), (0.1, 10, 11), (0.1, 10, -1), (0.1, None), (None, 9)],
)
@pytest.mark.parametrize("schedule", [WarmUpPoly, WarmUpCosine])
def test_bad_steps_are_named(schedule, arguments):
    with pytest.raises(ValueError, match="total_steps.*got"):
        schedule(*arguments)


def cosine(step, base, total, warmup, batch):
    peak = base * batch / 256
    if step < warmup:
        return peak * step / warmup
    share = (min(step, total) - warmup) / (total - warmup)
    return peak * (1 + math.cos(math.pi * share)) / 2


@pytest.mark.parametrize(
    "settings",
    [(0.1, 162_649, 12_512, 1024), (0.1, 10, 0, 256), (0.5, 7, 6, 64)],
)
def test_cosine_equals_the_formula(settings):
    schedule = WarmUpCosine(*settings)
    _, total, warmup, _ = settings
    middle = (total + warmup) // 2
    steps = {0, 1, warmup - 1, warmup, middle, total - 1, total, total + 5}
    for step in sorted(step for step in steps if step >= 0):
        np.testing.assert_allclose(
            tf.function(schedule)(tf.constant(step, tf.int64)),
            cosine(step, *settings),
            rtol=2e-6,
            atol=1e-12,
            err_msg=str(step),
        )


def test_rate_grows_with_the_batch():
    small, large = WarmUpCosine(0.1, 20, 2, 256), WarmUpCosine(0.1, 20, 2, 1024)
    assert (small.peak, large.peak) == (0.1, 0.4)
    for step in (1, 2, 9):
        np.testing.assert_allclose(large(step), 4 * small(step), rtol=1e-6)


def test_warm_up_leaves_a_step():
    with pytest.raises(ValueError, match="below `total_steps`; got"):
        WarmUpCosine(0.1, 10, 10)
    with pytest.raises(ValueError, match="batch_size=None"):
        WarmUpCosine(0.1, 10, 1, None)


@pytest.mark.parametrize("step", [0, 1, 750, 1499, 1500, 1501, 79_999])
def test_decay_counts_during_the_warm_up(step):
    """arXiv:2209.08575's public configurations, written as there."""
    total, base, warm_up = 80_000, 6e-5, 1500
    expected = base * (1 - step / total)
    if step < warm_up:
        expected *= 1 - (1 - step / warm_up) * (1 - 1e-6)
    schedule = WarmUpTimesPoly(base, total, warm_up, power=1.0)
    np.testing.assert_allclose(schedule(step), expected, rtol=2e-5)


def test_warm_up_with_decay_is_rebuilt_from_its_config():
    schedule = WarmUpTimesPoly(0.1, 10, 2, power=0.5, end_learning_rate=0.01)
    again = WarmUpTimesPoly.from_config(schedule.get_config())
    assert [float(again(k)) for k in range(12)] == [
        float(schedule(k)) for k in range(12)
    ]
