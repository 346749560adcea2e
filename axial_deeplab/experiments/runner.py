"""Model Garden's loop with our checkpoints and lines."""

import orbit
import tensorflow as tf
from official.core import base_trainer, train_lib, train_utils
from official.core import config_definitions as cfg
from official.modeling import optimization

from axial_deeplab.experiments.checkpoints import (
    ModelCheckpointManager,
    check_is_of_model,
)
from axial_deeplab.experiments.config_options import write_option_file
from axial_deeplab.experiments.image_task import ImageTask
from axial_deeplab.experiments.optimizers import create_variables
from axial_deeplab.experiments.step_line import StepLine, write_line


class ExperimentController(orbit.Controller):
    """Says what begins; continuous evaluation, too, knows its own model."""

    def evaluate(self, steps: int = -1) -> orbit.runner.Output | None:
        write_line(f"step {int(self.global_step.numpy())}: evaluating")
        return super().evaluate(steps)

    def restore_checkpoint(
        self, checkpoint_path: str | None = None
    ) -> str | None:
        if checkpoint_path is not None:
            check_is_of_model(checkpoint_path, self.evaluator.model)
        return super().restore_checkpoint(checkpoint_path)


class ExperimentRunner(train_lib.OrbitExperimentRunner):
    """Model Garden's runner; checkpoints of another model are refused.

    Making one reads the checkpoint and opens the data, so that what is wrong
    with them is found before anything is written.

    Args:
      strategy: where to run.
      task: what to train or evaluate.
      mode: "train", "eval", "train_and_eval" or "continuous_eval".
      config: the experiment.
      model_dir: folder of checkpoints and summaries.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        task: ImageTask,
        mode: str,
        config: cfg.ExperimentConfig,
        model_dir: str,
    ):
        self._task = task  # asked while the trainer is built
        super().__init__(
            strategy,
            task,
            mode,
            config,
            model_dir,
            controller_cls=ExperimentController,
        )

    def run(self) -> None:
        """Trains or evaluates; an ended training is evaluated once more."""
        if "train" in self._mode:
            write_option_file(self.params, f"{self.model_dir}/params.yaml")
            self._announce_training()
        super().run()
        if self._mode == "train_and_eval" and self._task.report is None:
            with self.strategy.scope():
                self.controller.evaluate(self.params.trainer.validation_steps)

    def _announce_training(self) -> None:
        model, trainer = self.trainer.model, self.params.trainer
        weights = sum(w.shape.num_elements() for w in model.trainable_weights)
        write_line(
            f"training {self.params.task.model.name} ({weights:,} weights) on "
            f"{self.strategy.num_replicas_in_sync} device(s) from step "
            f"{int(self.trainer.global_step.numpy())} to {trainer.train_steps};"
            f" a line every {trainer.steps_per_loop} steps, the first after "
            "compiling"
        )

    def _build_trainer(self, *args, **kwargs) -> base_trainer.Trainer:
        trainer = super()._build_trainer(*args, **kwargs)
        with self.strategy.scope():
            create_variables(trainer.optimizer, trainer.model)
        return trainer

    def _build_best_checkpoint_exporter(
        self,
    ) -> train_utils.BestCheckpointExporter | None:
        metric = self.params.trainer.best_checkpoint_eval_metric
        known = self._task.METRICS
        if metric and metric not in known:
            raise ValueError(
                f"trainer.best_checkpoint_eval_metric is {metric!r}; known: "
                f"{', '.join(known)}."
            )
        return super()._build_best_checkpoint_exporter()

    def _maybe_build_checkpoint_manager(self) -> tf.train.CheckpointManager:
        settings, trainer = self.params.trainer, self.trainer
        checkpoint = trainer.checkpoint
        averages = isinstance(
            trainer.optimizer, optimization.ExponentialMovingAverage
        )
        if "train" not in self._mode and not averages:
            # Evaluation needs no state of the optimizer.
            checkpoint = tf.train.Checkpoint(
                global_step=trainer.global_step, model=trainer.model
            )
        return ModelCheckpointManager(
            trainer.model,
            checkpoint=checkpoint,
            directory=self.model_dir,
            max_to_keep=settings.max_to_keep,
            step_counter=trainer.global_step,
            checkpoint_interval=settings.checkpoint_interval,
            init_fn=trainer.initialize,
        )

    def _build_controller(self, trainer, *args, **kwargs) -> orbit.Controller:
        if trainer:
            line = StepLine(
                trainer.global_step, self.params.trainer.train_steps
            )
            for name, action in (
                ("train_actions", line),
                ("eval_actions", line.restart),
            ):
                kwargs[name] = [*(kwargs.pop(name, None) or []), action]
        return super()._build_controller(trainer, *args, **kwargs)
