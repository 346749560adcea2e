import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import base_task, base_trainer
from official.core import config_definitions as cfg
from official.modeling import hyperparams, optimization

from axial_deeplab.experiments import optimizers
from axial_deeplab.optimization import Lookahead, RectifiedAdam, WarmUpPoly

RECIPE = {
    "optimizer": {
        "type": "radam_lookahead",
        "radam_lookahead": {
            "beta_2": 0.99,
            "weight_decay": 0.5,
            "exclude_patterns": ["bias$"],
            "sync_period": 4,
            "slow_step_size": 0.6,
            "global_clipnorm": 3.0,
        },
    },
    "learning_rate": {
        "type": "warmup_poly",
        "warmup_poly": {
            "base_learning_rate": 0.02,
            "total_steps": 50,
            "warmup_steps": 3,
        },
    },
}


def build(recipe):
    config = optimizers.OptimizationConfig(recipe)
    factory = optimization.OptimizerFactory(config)
    return factory.build_optimizer(factory.build_learning_rate())


def test_factory_passes_every_setting_on():
    optimizer = build(RECIPE)
    assert type(optimizer) is Lookahead
    assert (optimizer.sync_period, optimizer.slow_step_size) == (4, 0.6)
    inner = optimizer.inner_optimizer
    assert type(inner) is RectifiedAdam
    expected = {
        "beta_1": 0.9,
        "beta_2": 0.99,
        "epsilon": 1e-7,
        "weight_decay": 0.5,
        "exclude_patterns": ["bias$"],
        "global_clipnorm": 3.0,
    }
    assert inner.get_config().items() >= expected.items()
    schedule = inner._learning_rate
    assert type(schedule) is WarmUpPoly
    assert schedule.get_config() == WarmUpPoly(0.02, 50, 3).get_config()


def test_defaults_are_those_of_the_classes():
    recipe = {
        "optimizer": {"type": "radam_lookahead"},
        "learning_rate": RECIPE["learning_rate"],
    }
    built, plain = build(recipe), Lookahead(RectifiedAdam())
    assert built.sync_period == plain.sync_period
    assert built.slow_step_size == plain.slow_step_size
    config = built.inner_optimizer.get_config()
    plain_config = plain.inner_optimizer.get_config()
    del config["learning_rate"], plain_config["learning_rate"]
    assert config == plain_config


def test_yaml_and_overrides_reach_the_settings():
    trainer = optimizers.TrainerConfig()
    assert isinstance(trainer, cfg.TrainerConfig)
    config = hyperparams.override_params_dict(
        trainer, {"optimizer_config": RECIPE}, is_strict=True
    )
    config = hyperparams.override_params_dict(
        config,
        "optimizer_config.learning_rate.warmup_poly.total_steps=70,"
        "optimizer_config.optimizer.radam_lookahead.sync_period=5",
        is_strict=True,
    )
    chosen = config.optimizer_config
    assert chosen.learning_rate.get().total_steps == 70
    assert chosen.optimizer.get().sync_period == 5
    assert chosen.optimizer.get().exclude_patterns == ["bias$"]
    with pytest.raises(KeyError, match="misspelt"):
        hyperparams.override_params_dict(
            config,
            {"optimizer_config": {"optimizer": {"misspelt": 1}}},
            is_strict=True,
        )


def test_forgotten_length_is_named():
    recipe = RECIPE | {"learning_rate": {"type": "warmup_poly"}}
    with pytest.raises(ValueError, match="total_steps"):
        build(recipe)


class ToyTask(base_task.Task):
    """Sums three numbers."""

    def build_model(self):
        tf_keras.utils.set_random_seed(4)
        return tf_keras.Sequential(
            [tf_keras.layers.Dense(1, input_shape=(3,), name="sum")]
        )

    def build_inputs(self, params, input_context=None):
        images = np.random.default_rng(0).normal(size=[8, 3])
        data = (images.astype("f"), images.sum(1, keepdims=True).astype("f"))
        return tf.data.Dataset.from_tensor_slices(data).repeat().batch(4)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        return tf.reduce_mean((labels - model_outputs) ** 2)


def toy_trainer(ema):
    recipe = RECIPE | ({"ema": {"average_decay": 0.9}} if ema else {})
    config = cfg.ExperimentConfig(
        task=cfg.TaskConfig(train_data=cfg.DataConfig()),
        trainer=optimizers.TrainerConfig(
            optimizer_config=optimizers.OptimizationConfig(recipe)
        ),
    )
    task = ToyTask(config.task)
    optimizer = task.create_optimizer(config.trainer.optimizer_config)
    return base_trainer.Trainer(
        config, task, task.build_model(), optimizer, evaluate=False
    )


def weights_after(trainer, steps):
    logs = trainer.train(tf.constant(steps))
    return trainer.model.get_weights(), float(logs["learning_rate"])


@pytest.mark.parametrize("ema", [False, True])
def test_trainer_trains_saves_and_resumes(ema, tmp_path):
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trainer = toy_trainer(ema)
        _, rate = weights_after(trainer, 10)
        path = trainer.checkpoint.save(str(tmp_path / "checkpoint"))
        expected, _ = weights_after(trainer, 6)
        resumed = toy_trainer(ema)
        resumed.checkpoint.restore(path)
        weights, _ = weights_after(resumed, 6)
    assert int(resumed.optimizer.iterations) == 16
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    # The plain trainer logs the rate of the last step, the average the next.
    step = 10 if ema else 9
    np.testing.assert_allclose(rate, WarmUpPoly(0.02, 50, 3)(step), rtol=1e-6)


def test_moving_average_follows_the_weights():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trainer = toy_trainer(ema=True)
        start = trainer.model.get_weights()[0]
        average = np.zeros_like(start)
        for step in range(1, 6):
            kernel = weights_after(trainer, 1)[0][0]
            decay = min(0.9, (1 + step) / (10 + step))
            average += (1 - decay) * (kernel - average)
        trainer.optimizer.swap_weights()
        averaged = trainer.model.get_weights()[0]
    assert np.abs(averaged - kernel).max() > 1e-4
    np.testing.assert_allclose(averaged, average, rtol=1e-5)
