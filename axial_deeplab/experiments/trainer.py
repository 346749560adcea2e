"""Runs an experiment: Model Garden's loop, with our checkpoints and lines."""

import contextlib
import io
import sys
import time
from typing import Any

import orbit
import tensorflow as tf
import tf_keras
from official.common import distribute_utils
from official.core import (
    base_trainer,
    task_factory,
    train_lib,
    train_utils,
)
from official.core import config_definitions as cfg
from official.modeling import performance

from axial_deeplab.experiments.checkpoints import ModelCheckpointManager
from axial_deeplab.experiments.configs import EXPERIMENTS
from axial_deeplab.experiments.panoptic_task import PanopticTask
from axial_deeplab.progress import clock

MODES = ("train", "eval", "train_and_eval", "continuous_eval")


def experiment_config(
    experiment: str,
    config_files: list[str] | None = None,
    params_override: str = "",
    tpu: str = "",
) -> cfg.ExperimentConfig:
    """The registered experiment with files and overrides applied in order.

    Raises:
      ValueError: the experiment, a file or an option is unknown or unfit.
    """
    options = train_utils.ParseConfigOptions(
        experiment=experiment,
        config_file=list(config_files or []),
        tpu=tpu,
        params_override=params_override,
    )
    for path in options.config_file:
        if not tf.io.gfile.exists(path):
            raise ValueError(f"There is no configuration file {path}.")
    try:
        return train_utils.parse_configuration(options, print_return=False)
    except KeyError as error:
        raise ValueError(f"Unknown option: {error.args[0]}") from error
    except LookupError as error:
        raise ValueError(
            f"Unknown experiment {experiment!r}; ours are "
            f"{', '.join(EXPERIMENTS)}."
        ) from error


class ExperimentRunner(train_lib.OrbitExperimentRunner):
    """Model Garden's runner; checkpoints of another model are refused."""

    def _build_trainer(self, *args, **kwargs) -> base_trainer.Trainer:
        trainer = super()._build_trainer(*args, **kwargs)
        # With its variables made, the training step is traced once, not
        # twice, and a checkpoint restores them at once.
        with self.strategy.scope():
            trainer.optimizer.build(trainer.model.trainable_variables)
        return trainer

    def _maybe_build_checkpoint_manager(self) -> tf.train.CheckpointManager:
        trainer = self.params.trainer
        return ModelCheckpointManager(
            self.trainer.model,
            checkpoint=self.trainer.checkpoint,
            directory=self.model_dir,
            max_to_keep=trainer.max_to_keep,
            step_counter=self.trainer.global_step,
            checkpoint_interval=trainer.checkpoint_interval,
            init_fn=self.trainer.initialize,
        )

    def _build_controller(self, trainer, *args, **kwargs) -> orbit.Controller:
        if trainer:
            line = StepLine(
                trainer.global_step, self.params.trainer.train_steps
            )
            actions = [*(kwargs.pop("train_actions", None) or []), line]
            kwargs["train_actions"] = actions
        return super()._build_controller(trainer, *args, **kwargs)


class StepLine:
    """Train action: a line with losses, speed and time left.

    Args:
      global_step: the trainer's counter.
      train_steps: where training ends.
    """

    def __init__(self, global_step: tf.Variable, train_steps: int):
        self._step, self._train_steps = global_step, train_steps
        self._last: tuple[int, float] | None = None

    def __call__(self, output: dict[str, Any]) -> None:
        """Writes the line to standard error."""
        step, now_seconds = int(self._step.numpy()), time.monotonic()
        values = [
            f"{name.removeprefix('training_')} {float(value):.4g}"
            for name, value in output.items()
        ]
        if self._last:  # the first loop also compiles: it tells no speed
            last_step, last_seconds = self._last
            rate = (step - last_step) / (now_seconds - last_seconds)
            left = clock((self._train_steps - step) / rate)
            values.append(f"{rate:.2f} steps/s, {left} left")
        self._last = step, now_seconds
        line = f"step {step}/{self._train_steps}  {'  '.join(values)}\n"
        sys.stderr.write(line)
        sys.stderr.flush()


def run_experiment(
    config: cfg.ExperimentConfig, mode: str, model_dir: str
) -> tuple[tf_keras.Model, dict[str, Any] | None]:
    """Trains, evaluates or both; resumes from what `model_dir` holds.

    Returns:
      The model and the report of the last evaluation, None without one.

    Raises:
      ValueError: unknown mode, or a checkpoint of another model.
    """
    if mode not in MODES:
        raise ValueError(f"--mode must be one of {MODES}; got {mode!r}.")
    tf.io.gfile.makedirs(model_dir)
    if "train" in mode:
        train_utils.serialize_config(config, model_dir)
    runtime = config.runtime
    if runtime.mixed_precision_dtype:
        performance.set_mixed_precision_policy(runtime.mixed_precision_dtype)
    strategy = distribute_utils.get_distribution_strategy(
        distribution_strategy=runtime.distribution_strategy,
        all_reduce_alg=runtime.all_reduce_alg,
        num_gpus=runtime.num_gpus,
        tpu_address=runtime.tpu,
    )
    with strategy.scope():
        task = task_factory.get_task(config.task, logging_dir=model_dir)
    return _run(strategy, task, mode, config, model_dir), task.report


def _run(
    strategy: tf.distribute.Strategy,
    task: PanopticTask,
    mode: str,
    config: cfg.ExperimentConfig,
    model_dir: str,
) -> tf_keras.Model:
    # Orbit prints every loop's output as it is; `StepLine` replaces that.
    with contextlib.redirect_stdout(io.StringIO()):
        runner = ExperimentRunner(
            distribution_strategy=strategy,
            task=task,
            mode=mode,
            params=config,
            model_dir=model_dir,
        )
        model, _ = runner.run()
    return model
