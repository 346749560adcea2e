"""Model Garden's trainer with evaluations that several workers can share."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from official.modeling import optimization

from axial_deeplab.experiments.preemption import Preempted
from axial_deeplab.experiments.training_step import StepTrainer


class ImageTrainer(StepTrainer):
    """Trains and evaluates an `ImageTask`.

    Args:
      *args: of Model Garden's trainer.
      agreement: tells, at each step of an evaluation, whether to stop and how
        many images all workers have had (`PreemptionWatch.stops`).
      **kwargs: of Model Garden's trainer.
    """

    def __init__(
        self,
        *args,
        agreement: Callable[[int], tuple[bool, int]],
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self._agreement = agreement

    def resume_input(self) -> None:
        """Training goes on with the examples after those it has seen.

        Only with a seed is there an order to go on with.
        """
        step, data = int(self.global_step.numpy()), self.config.task.train_data
        if step and data.seed is not None:
            self.task.resume_at(step)
            with self.strategy.scope():
                self.train_dataset = self.distribute_dataset(
                    self.task.build_inputs, data
                )

    def eval_step(self, iterator: Any) -> dict[str, Any]:
        """Logs of each replica of this worker, blanks included."""

        def step(inputs: Any) -> dict[str, Any]:
            logs = self.task.validation_step(
                inputs, model=self.model, metrics=self.validation_metrics
            )
            if self.task.loss in logs:
                self.validation_loss.update_state(
                    logs[self.task.loss], sample_weight=logs["images"]
                )
            return logs

        logs = self.strategy.run(step, args=(next(iterator),))
        local = self.strategy.experimental_local_results
        return tf.nest.map_structure(local, logs)

    def eval_reduce(
        self, state: Any = None, step_outputs: dict[str, Any] | None = None
    ) -> Any:
        """Adds a step to the task's state.

        Raises:
          StopIteration: there was no image in it, on any worker.
          Preempted: a worker is to end; the weights are those of training.
        """
        count = sum(int(images) for images in step_outputs["images"])
        stops, images = self._agreement(count)
        if stops:
            optimizer = self.optimizer
            if isinstance(optimizer, optimization.ExponentialMovingAverage):
                optimizer.swap_weights()
            raise Preempted
        if not images:
            raise StopIteration
        return super().eval_reduce(state, step_outputs)
