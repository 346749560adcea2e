"""Model Garden's trainer with the steps of this package."""

import functools
from typing import Any

import tensorflow as tf
from official.core import base_task, base_trainer
from official.core import config_definitions as cfg

from axial_deeplab.experiments.image_task import IS_FINITE, NAMES
from axial_deeplab.experiments.loss_watch import LossWatch
from axial_deeplab.experiments.memory_check import check_memory


class StepTrainer(base_trainer.Trainer):
    """Steps that accumulate, that XLA compiles, and that are watched.

    Args:
      config: the experiment.
      task: an `ImageTask`.
      *args: as of Model Garden's trainer.
      **kwargs: as of Model Garden's trainer.

    Raises:
      ValueError: parts of a batch are not equal or too large for the memory,
        or XLA cannot compile here.
    """

    def __init__(
        self,
        config: cfg.ExperimentConfig,
        task: base_task.Task,
        *args,
        **kwargs,
    ):
        strategy = tf.distribute.get_strategy()
        check_xla(config.runtime, strategy)
        replicas = strategy.num_replicas_in_sync
        batch_size = config.task.train_data.global_batch_size
        if kwargs.get("train", True):
            parts = config.trainer.accumulation_steps
            check_parts(parts, batch_size, replicas)
        super().__init__(config, task, *args, **kwargs)
        if kwargs.get("train", True):
            check_memory(self.model, config, replicas)
        self.watch = LossWatch(batch_size // replicas, config.trainer)

    def train_step(self, iterator: Any) -> None:
        """Takes a step on each replica; batches come from the iterator."""
        task_step = functools.partial(
            self.task.train_step,
            model=self.model,
            optimizer=self.optimizer,
            metrics=self.train_metrics,
            micro_batches=self.config.trainer.accumulation_steps,
        )
        is_tpu = isinstance(self.strategy, tf.distribute.TPUStrategy)
        if self.config.runtime.enable_xla and not is_tpu:  # TPUs always do
            task_step = tf.function(task_step, jit_compile=True)

        def step(inputs):
            logs = task_step(inputs)
            loss = logs[self.task.loss]
            self._train_loss.update_state(loss)
            self.global_step.assign_add(1)
            self.watch.observe(
                tf.convert_to_tensor(self.global_step),
                loss,
                logs[IS_FINITE],
                inputs[1].get(NAMES),
            )

        inputs = self.next_train_inputs(iterator)
        self.strategy.run(step, args=(inputs,), options=self._runtime_options)


def check_xla(
    runtime: cfg.RuntimeConfig, strategy: tf.distribute.Strategy
) -> None:
    """Refuses to compile steps in which replicas meet on the host.

    Raises:
      ValueError: saying where XLA works.
    """
    replicas = strategy.num_replicas_in_sync
    # Sums over replicas that are no collective operation leave the function.
    if (
        runtime.enable_xla
        and replicas > 1
        and strategy.extended._use_merge_call()
    ):
        raise ValueError(
            "runtime.enable_xla: XLA cannot compile steps of "
            f"{replicas} replicas under {type(strategy).__name__}, whose sums "
            "leave the compiled function; use one device, or leave it out."
        )


def check_parts(parts: int, batch_size: int, replicas: int) -> None:
    """Refuses parts that are not equal.

    Raises:
      ValueError: naming the options.
    """
    if batch_size % (replicas * parts):
        raise ValueError(
            f"trainer.accumulation_steps: {parts} parts on {replicas} "
            "device(s) must divide task.train_data.global_batch_size; got "
            f"{batch_size}."
        )
