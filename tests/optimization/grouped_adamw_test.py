import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.optimization import GroupedAdamW, WarmUpTimesPoly
from tests.golden import load_golden
from tests.models.segnext_golden import our_name

STEPS = 6


def _slow(weights, gradients, rates, factor, decay, epsilon):
    """AdamW of one array, step by step."""
    w = np.array(weights, np.float64)
    m, v, path = np.zeros_like(w), np.zeros_like(w), []
    for t, (gradient, rate) in enumerate(
        zip(gradients, rates, strict=True), start=1
    ):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        update = m_hat / (np.sqrt(v_hat) + epsilon) + decay * w
        w = w - factor * rate * update
        path.append(w)
    return path


def test_every_part_takes_its_steps():
    """Of a rate that changes, with an epsilon that shows."""
    rng = np.random.default_rng(0)
    parts = {  # factor of the rate, decay
        "backbone/stem/embedding_0/batch_norm/gamma": (1, 0.1),
        "backbone/res2_block0/attention_norm/gamma": (1, 0.0),
        "backbone/res2_norm/beta": (1, 0.0),
        "backbone/res3_embedding/batch_norm/beta": (1, 0.0),
        "backbone/res2_block0/attention/before/bias": (1, 0.1),
        "backbone/res2_block0/feed_scale/factor": (1, 0.1),
        "decoder/squeeze/group_norm/gamma": (10, 0.1),
        "head/project/kernel": (10, 0.1),
    }
    start = rng.normal(size=(len(parts), 3)).astype(np.float32)
    gradients = rng.normal(size=(STEPS, *start.shape)).astype(np.float32)
    schedule = WarmUpTimesPoly(1e-2, 20, warmup_steps=3)
    rates = [float(schedule(step)) for step in range(STEPS)]
    variables = [
        tf.Variable(w, name=n) for n, w in zip(parts, start, strict=True)
    ]
    optimizer = GroupedAdamW(schedule, weight_decay=0.1, epsilon=1e-2)
    for step in range(STEPS):
        optimizer.apply_gradients(zip(gradients[step], variables, strict=True))
    for i, (name, (factor, decay)) in enumerate(parts.items()):
        path = _slow(start[i], gradients[:, i], rates, factor, decay, 1e-2)
        np.testing.assert_allclose(
            variables[i], path[-1], rtol=2e-5, atol=1e-6, err_msg=name
        )


def test_config_round_trip():
    optimizer = GroupedAdamW(
        0.1, weight_decay=0.2, exclude_patterns=["a"], rates={"b": 2.0}
    )
    config = optimizer.get_config()
    again = GroupedAdamW.from_config(config)
    assert again.get_config() == config
    copy = tf_keras.optimizers.deserialize(
        tf_keras.optimizers.serialize(optimizer)
    )
    assert copy.rate_factor(tf.Variable(1.0, name="b")) == 2.0
    assert not copy.decays(tf.Variable(1.0, name="a"))


@pytest.mark.golden
def test_rules_are_those_of_the_public_configurations():
    arrays = load_golden("segnext_tiny_train.npz").arrays
    optimizer, count = GroupedAdamW(), 0
    for name, kind, rate, decay in zip(
        *(arrays[key] for key in ("names", "kinds", "lr_mult", "decay_mult")),
        strict=True,
    ):
        if kind != "parameter":
            continue
        variable = tf.Variable(1.0, name=our_name(str(name)))
        assert optimizer.rate_factor(variable) == rate, name
        assert optimizer.decays(variable) == bool(decay), name
        count += 1
    assert count == len(arrays["train_param_names"])
