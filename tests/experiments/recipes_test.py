"""Optimizers and schedules as YAML names them, against plain loops."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
import yaml
from official.modeling import optimization

from axial_deeplab.experiments import optimizers

STEPS = 6
RATE = {"type": "constant", "constant": {"learning_rate": 0.1}}


def build(text, learning_rate=None):
    recipe = {"optimizer": yaml.safe_load(text)}
    recipe["learning_rate"] = learning_rate or RATE
    factory = optimization.OptimizerFactory(
        optimizers.OptimizationConfig(recipe)
    )
    return factory.build_optimizer(factory.build_learning_rate())


def gradients():
    rng = np.random.default_rng(3)
    return [
        {
            "decoder/kernel": rng.normal(size=3),
            "backbone/res_norm/gamma": rng.normal(size=2),
        }
        for _ in range(STEPS)
    ]


def start():
    return {
        "decoder/kernel": np.array([1.0, -2.0, 3.0]),
        "backbone/res_norm/gamma": np.array([0.5, 1.5]),
    }


def trained(optimizer):
    variables = {
        name: tf.Variable(np.float32(value), name=name)
        for name, value in start().items()
    }
    for step in gradients():
        optimizer.apply_gradients(
            [
                (tf.constant(np.float32(g)), variables[n])
                for n, g in step.items()
            ]
        )
    return {name: one.numpy() for name, one in variables.items()}


def assert_same(found, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, 1e-4, 1e-6, err_msg=name)


def nesterov_loop(clip=lambda step: step):
    weights, velocity = start(), dict.fromkeys(start(), 0.0)
    for step in map(clip, gradients()):
        for name, gradient in step.items():
            velocity[name] = 0.9 * velocity[name] - 0.1 * gradient
            weights[name] += 0.9 * velocity[name] - 0.1 * gradient
    return weights


def by_value(step):
    return {name: np.clip(one, -0.3, 0.3) for name, one in step.items()}


def by_norm(step):
    def clipped(one):
        return one * min(1.0, 0.3 / np.linalg.norm(one))

    return {name: clipped(one) for name, one in step.items()}


def by_global_norm(step):
    norm = np.linalg.norm(np.concatenate(list(step.values())))
    return {name: one * min(1.0, 0.3 / norm) for name, one in step.items()}


@pytest.mark.parametrize(
    "option, clip",
    [
        ("", lambda step: step),
        (", clipvalue: 0.3", by_value),
        (", clipnorm: 0.3", by_norm),
        (", global_clipnorm: 0.3", by_global_norm),
    ],
)
@pytest.mark.parametrize("kind", ["sgd", "sgd_experimental"])
def test_nesterov_and_clipping(kind, option, clip):
    options = f"momentum: 0.9, nesterov: true{option}"
    optimizer = build(f"{{type: {kind}, {kind}: {{{options}}}}}")
    assert_same(trained(optimizer), nesterov_loop(clip))


def test_rules_of_rate_and_decay_by_name():
    optimizer = build(
        """
        type: grouped_adamw
        grouped_adamw:
          weight_decay: 0.2
          exclude_patterns: ["gamma$"]
          rate_patterns: ["^decoder/"]
          rate_factors: [5.0]
        """
    )
    weights, m, v = (
        start(),
        dict.fromkeys(start(), 0),
        dict.fromkeys(start(), 0),
    )
    for number, step in enumerate(gradients(), start=1):
        for name, gradient in step.items():
            m[name] = 0.9 * m[name] + 0.1 * gradient
            v[name] = 0.999 * v[name] + 0.001 * gradient**2
            update = m[name] / (1 - 0.9**number)
            update /= np.sqrt(v[name] / (1 - 0.999**number)) + 1e-8
            is_decoder = name.startswith("decoder")
            decay = 0.2 * weights[name] if is_decoder else 0.0
            rate = 0.1 * (5.0 if is_decoder else 1.0)
            weights[name] = weights[name] - rate * (update + decay)
    assert_same(trained(optimizer), weights)


@pytest.mark.parametrize(
    "schedule, rate_of",
    [
        (
            {
                "type": "warmup_poly",
                "warmup_poly": {
                    "base_learning_rate": 0.1,
                    "total_steps": 10,
                    "warmup_steps": 3,
                },
            },
            lambda t: 0.1 * (t / 3 if t < 3 else (1 - t / 10) ** 0.9),
        ),
        (
            {
                "type": "warmup_cosine",
                "warmup_cosine": {
                    "base_learning_rate": 0.1,
                    "total_steps": 10,
                    "warmup_steps": 3,
                    "batch_size": 512,
                },
            },
            lambda t: (
                0.2 * t / 3
                if t < 3
                else 0.1 * (1 + math.cos(math.pi * (t - 3) / 7))
            ),
        ),
    ],
    ids=["poly", "cosine"],
)
def test_each_step_has_the_rate_of_its_schedule(schedule, rate_of):
    optimizer = build("{type: sgd_experimental}", schedule)
    weights = start()
    for number, step in enumerate(gradients()):
        for name, gradient in step.items():
            weights[name] = weights[name] - rate_of(number) * gradient
    assert_same(trained(optimizer), weights)


@pytest.mark.parametrize("dynamic", [True, False])
def test_scaled_losses_take_the_same_steps(dynamic):
    plain = trained(build("{type: radam_lookahead}"))
    inner = build("{type: radam_lookahead}")
    scaled = tf_keras.mixed_precision.LossScaleOptimizer(
        inner, dynamic=dynamic, initial_scale=64.0
    )
    variables = {
        n: tf.Variable(np.float32(w), name=n) for n, w in start().items()
    }
    for step in gradients():
        found = [tf.constant(np.float32(64 * one)) for one in step.values()]
        found = scaled.get_unscaled_gradients(found)
        pairs = zip(found, (variables[name] for name in step), strict=True)
        scaled.apply_gradients(list(pairs))
    assert_same({n: v.numpy() for n, v in variables.items()}, plain)
