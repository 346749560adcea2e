"""Model Garden's trainer with the steps of this package."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from official.core import base_task, base_trainer
from official.core import config_definitions as cfg

from axial_deeplab.experiments.loss_watch import LossWatch
from axial_deeplab.experiments.memory_check import check_memory
from axial_deeplab.experiments.replica_step import (
    IS_FINITE,
    NAMES,
    ReplicaStep,
)
from axial_deeplab.optimization.micro_batches import mean_over_parts


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
            check_memory(self.model, config, replicas, task.workers.replicas)
        self.watch = LossWatch(batch_size // replicas, config.trainer)

    def train_step(self, iterator: Any) -> None:
        """Takes a step on each replica; batches come from the iterator."""
        inputs = self.next_train_inputs(iterator)
        state = (self.model, self.optimizer, self.train_metrics)
        parts = self.config.trainer.accumulation_steps
        if self._meets_in_parts():
            step = ReplicaStep(self.task, *state, parts)
            found = self._mean_over_parts(step, inputs)

            def apply(found):
                # What leaves a loop has no device, and sums over replicas of
                # many tensors at once need to know one.
                return step.apply(tf.nest.map_structure(tf.identity, found))

            self._run(self._compiled(apply), found, inputs)
        else:

            def take(inputs):
                return self.task.train_step(inputs, *state, parts)

            self._run(self._compiled(take), inputs, inputs)

    def _meets_in_parts(self) -> bool:
        """Whether replicas exchange sums while they work on a part."""
        # On TPUs they may do so in a loop of their own.
        is_tpu = isinstance(self.strategy, tf.distribute.TPUStrategy)
        several = self.strategy.num_replicas_in_sync > 1 and not is_tpu
        return several and self.config.trainer.accumulation_steps > 1

    def _mean_over_parts(self, step: ReplicaStep, inputs: Any) -> Any:
        """What each replica has found once all went through all parts."""
        add_part = self._compiled(step.add_part)
        return mean_over_parts(
            lambda part, mean: self.strategy.run(
                add_part, (inputs, part, mean), options=self._runtime_options
            ),
            self.strategy.run(step.zeros, options=self._runtime_options),
            self.config.trainer.accumulation_steps,
        )

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """By XLA, where that is asked for (TPUs always do)."""
        is_tpu = isinstance(self.strategy, tf.distribute.TPUStrategy)
        if self.config.runtime.enable_xla and not is_tpu:
            return tf.function(function, jit_compile=True)
        return function

    def _run(
        self, step: Callable[..., dict[str, tf.Tensor]], given: Any, inputs: Any
    ) -> None:
        """Takes the step on each replica, and looks at what it says.

        Args:
          step: of each replica.
          given: what it takes.
          inputs: the batch.
        """

        def watched(given, inputs):
            logs = step(given)
            loss = logs[self.task.loss]
            self._train_loss.update_state(loss)
            self.global_step.assign_add(1)
            self.watch.observe(
                tf.convert_to_tensor(self.global_step),
                loss,
                logs[IS_FINITE],
                inputs[1].get(NAMES),
            )

        self.strategy.run(
            watched, args=(given, inputs), options=self._runtime_options
        )


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
