import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.optimization import Lookahead, RectifiedAdam
from tests import golden
from tests.optimization import trajectories

TOLERANCE = 5e-5  # of the distance moved


class AddonsWarmUp(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Warm-up and linear decay as tensorflow-addons' optimizer has built in."""

    def __init__(self, rate, total_steps, warmup_proportion, min_lr):
        self.rate, self.min_rate = rate, min_lr
        self.warmup = total_steps * warmup_proportion
        self.decay = max(total_steps - self.warmup, 1)

    def __call__(self, step):
        step = tf.cast(step, tf.float32) + 1.0
        slope = (self.min_rate - self.rate) / self.decay
        after = tf.minimum(step - self.warmup, self.decay)
        return tf.where(
            step <= self.warmup,
            self.rate * step / self.warmup,
            self.rate + slope * after,
        )


def optimizer_of(case):
    """Our optimizer with the settings of a golden case."""
    settings = dict(case["rectified_adam"])
    rate = settings.pop("learning_rate")
    if "total_steps" in settings:
        names = ("total_steps", "warmup_proportion", "min_lr")
        rate = AddonsWarmUp(
            rate, **{name: settings.pop(name) for name in names}
        )
    optimizer = RectifiedAdam(rate, exclude_patterns=(), **settings)
    if case["lookahead"]:
        optimizer = Lookahead(optimizer, **case["lookahead"])
    return optimizer


def slots(optimizer):
    """All [a, b] state by slot name, flat."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    found = {}
    for variable in [*inner.variables, *optimizer.variables]:
        name = variable.name.split("/")[0]
        found.setdefault(name, {})[variable.name] = variable.numpy().ravel()
    return {k: np.concatenate(list(v.values())) for k, v in found.items()}


def check_case(name, data):
    optimizer = optimizer_of(data.meta["cases"][name])
    variables = {
        key: tf.Variable(data.arrays[f"{key}0"], name=key) for key in "ab"
    }
    optimizer.build(list(variables.values()))
    factors = {"a": 0.5, "b": 0.2}
    paths = {key: [] for key in "ab"}
    states, rates = [], []
    for step in range(data.meta["steps"]):
        optimizer.apply_gradients(
            [
                (factors[k] * v + data.arrays[f"grad_{k}_noise"][step], v)
                for k, v in variables.items()
            ]
        )
        states.append(slots(optimizer))
        rates.append(float(optimizer.learning_rate))
        for key, variable in variables.items():
            paths[key].append(variable.numpy())
    golden.assert_close_to_largest(
        np.array(rates), data.arrays[f"{name}/lr"], 1e-6, f"{name}/lr"
    )
    for key, path in paths.items():
        for kind in ("", "_float64"):
            expected = data.arrays[f"{name}/{key}{kind}"]
            trajectories.assert_same_path(
                np.array(path),
                expected[1:],
                expected[0],
                TOLERANCE,
                f"{name}/{key}{kind}",
            )
    prefix = f"{name}/slot_"
    names = [key for key in data.arrays if key.startswith(prefix)]
    assert names
    for key in names:
        golden.assert_close_to_largest(
            np.array([state[key.removeprefix(prefix)] for state in states]),
            data.arrays[key],
            TOLERANCE,
            key,
        )


@pytest.mark.golden
def test_every_case_of_tensorflow_addons():
    data = golden.load_golden("optimizer_tfa.npz")
    assert data.meta["cases"]
    for name in data.meta["cases"]:
        check_case(name, data)
