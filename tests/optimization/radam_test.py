import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.optimization import RectifiedAdam, WarmUpPoly
from axial_deeplab.optimization.radam import rectification
from tests.optimization import trajectories
from tests.reference import optimizers as reference

STEPS = 12  # rectified from step 6 on with beta_2 = 0.999


def random_steps(seed=0, size=4, steps=STEPS):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=size).astype(np.float32)
    return weights, rng.normal(size=[steps, size]).astype(np.float32)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"beta_1": 0.8, "beta_2": 0.9},
        {"weight_decay": 0.1},
        {"amsgrad": True, "beta_2": 0.8, "epsilon": 1e-3},
    ],
    ids=str,
)
def test_steps_equal_the_paper(settings):
    weights, gradients = random_steps()
    rates = [0.01 / (step + 1) for step in range(STEPS)]

    class Falling(tf_keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.01 / (tf.cast(step, tf.float32) + 1.0)

    optimizer = RectifiedAdam(Falling(), **settings)
    expected = reference.rectified_adam(weights, gradients, rates, **settings)
    path = trajectories.run(optimizer, weights, gradients)
    trajectories.assert_same_path(path, expected, weights, 1e-5)


@pytest.mark.parametrize("beta_2", [0.7, 0.9, 0.999, 0.99999])
def test_rectification_holds_in_float32(beta_2):
    for step in [1, 2, 4, 5, 6, 7, 50, 1000, 60000, 10**6]:
        length, rectifier = rectification(tf.constant(float(step)), beta_2)
        exact = reference.window_length(step, beta_2)
        np.testing.assert_allclose(length, exact, rtol=3e-6, err_msg=str(step))
        if exact >= 5:
            np.testing.assert_allclose(
                rectifier,
                reference.rectifier(exact, beta_2),
                rtol=1e-5,
                err_msg=str(step),
            )


def named_variables(names):
    return [tf.Variable([2.0, -4.0], name=name) for name in names]


def test_weight_decay_changes_the_weights_it_should():
    decayed = [
        "conv/kernel",
        "resnet50_beta/conv/kernel",
        "value_position_bias",
    ]
    spared = [
        "norm/gamma",
        "norm/beta",
        "conv/bias",
        "attention/query_position",
        "attention/key_position",
        "value_position",
    ]
    variables = named_variables(decayed + spared)
    optimizer = RectifiedAdam(0.5, weight_decay=0.1)
    zeros = [tf.zeros([2]) for _ in variables]
    optimizer.apply_gradients(zip(zeros, variables, strict=True))
    for name, variable in zip(decayed + spared, variables, strict=True):
        factor = 0.95 if name in decayed else 1.0
        np.testing.assert_allclose(
            variable, [2.0 * factor, -4.0 * factor], rtol=1e-6, err_msg=name
        )


def test_weight_decay_follows_the_schedule_and_own_patterns():
    kernel, table = named_variables(["a/kernel", "b/table"])
    schedule = WarmUpPoly(1.0, total_steps=4, power=1.0)
    optimizer = RectifiedAdam(
        schedule, weight_decay=0.1, exclude_patterns=["^b/"]
    )
    for _ in range(2):
        optimizer.apply_gradients(
            [(tf.zeros([2]), kernel), (tf.zeros([2]), table)]
        )
    np.testing.assert_allclose(kernel[0], 2.0 * (1 - 0.1) * (1 - 0.075))
    np.testing.assert_allclose(table[0], 2.0)


def test_global_clipping_acts():
    weights, gradients = random_steps(steps=1)
    gradients *= 100
    clipped = gradients / np.linalg.norm(gradients) * 0.5
    path = trajectories.run(
        RectifiedAdam(0.1, global_clipnorm=0.5), weights, gradients
    )
    expected = reference.rectified_adam(weights, clipped, [0.1])
    trajectories.assert_same_path(path, expected, weights, 1e-5)


def test_gathered_tables_move_as_with_dense_gradients():
    rows = tf.constant([3, 1, 3])
    dense, sparse = tf.Variable(tf.ones([5, 2])), tf.Variable(tf.ones([5, 2]))
    optimizers = [RectifiedAdam(0.1), RectifiedAdam(0.1)]
    for step in range(8):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(sparse, rows) ** 2) * (step < 4)
        gradient = tape.gradient(loss, sparse)
        assert isinstance(gradient, tf.IndexedSlices)
        optimizers[0].apply_gradients([(gradient, sparse)])
        whole = tf.convert_to_tensor(gradient)
        optimizers[1].apply_gradients([(whole, dense)])
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)
    assert np.all(sparse.numpy()[[1, 3]] < 1)
    np.testing.assert_array_equal(sparse.numpy()[[0, 2, 4]], 1)


def test_config_round_trip():
    optimizer = RectifiedAdam(
        WarmUpPoly(0.1, 10),
        0.8,
        0.99,
        1e-4,
        0.2,
        ["x"],
        True,
        "mine",
        global_clipnorm=3.0,
    )
    copy = tf_keras.optimizers.deserialize(
        tf_keras.optimizers.serialize(optimizer)
    )
    assert type(copy) is RectifiedAdam
    assert copy.get_config() == optimizer.get_config()
    expected = {
        "beta_1": 0.8,
        "beta_2": 0.99,
        "epsilon": 1e-4,
        "weight_decay": 0.2,
        "exclude_patterns": ["x"],
        "amsgrad": True,
        "name": "mine",
        "global_clipnorm": 3.0,
    }
    assert copy.get_config().items() >= expected.items()


@pytest.mark.parametrize(
    "betas", [(0.9, 1.0), (0.9, 0.5), (1.0, 0.9), (0, 0.9)]
)
def test_bad_betas_are_named(betas):
    with pytest.raises(ValueError, match="beta_1=.*beta_2="):
        RectifiedAdam(0.1, *betas)


def test_other_keras_and_old_arguments_get_one_clear_line():
    import keras

    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 10)
    with pytest.raises(TypeError, match="Keras 3.*tf_keras"):
        RectifiedAdam(schedule)
    with pytest.raises(TypeError, match="learning_rate"):
        RectifiedAdam(lr=0.1)
