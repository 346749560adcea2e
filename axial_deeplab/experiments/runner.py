"""Model Garden's loop with our checkpoints and lines."""

import functools
import os

import orbit
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import train_lib, train_utils
from official.modeling import optimization

from axial_deeplab.experiments.checkpoints import (
    BestCheckpointExporter,
    ModelCheckpointManager,
    PartialCheckpoint,
    check_is_of_model,
)
from axial_deeplab.experiments.config_options import write_option_file
from axial_deeplab.experiments.image_task import ImageTask
from axial_deeplab.experiments.image_trainer import ImageTrainer
from axial_deeplab.experiments.loss_watch import BlowUpReport
from axial_deeplab.experiments.optimizers import create_variables
from axial_deeplab.experiments.preemption import (
    STATUS,
    Preempted,
    PreemptionWatch,
)
from axial_deeplab.experiments.step_line import StepLine, write_line
from axial_deeplab.experiments.versions import write_versions


class ExperimentController(orbit.Controller):
    """Says what begins; ends when a worker is told to.

    Continuous evaluation, too, knows its own model.

    Args:
      watch: whether any worker is told to end.
      is_chief: whether to say anything.
      **kwargs: of `orbit.Controller`.
    """

    def __init__(self, watch: PreemptionWatch, is_chief: bool, **kwargs):
        self._watch, self._is_chief = watch, is_chief
        super().__init__(**kwargs)

    def evaluate(self, steps: int = -1) -> orbit.runner.Output | None:
        if self._is_chief:
            write_line(f"step {int(self.global_step.numpy())}: evaluating")
        return super().evaluate(steps)

    def restore_checkpoint(
        self, checkpoint_path: str | None = None
    ) -> str | None:
        if checkpoint_path is not None:
            check_is_of_model(checkpoint_path, self.evaluator.model)
        return super().restore_checkpoint(checkpoint_path)

    def save_checkpoint(self) -> None:
        """Saves, unless this step is saved; asks nobody whether to end."""
        super()._maybe_save_checkpoint(check_interval=False)

    def _maybe_save_checkpoint(self, check_interval: bool = True) -> bool:
        """Also the place, after each training loop, to end."""
        stops, _ = self._watch.stops()
        if stops:
            raise Preempted
        return super()._maybe_save_checkpoint(check_interval)


class ExperimentRunner(train_lib.OrbitExperimentRunner):
    """Model Garden's runner; checkpoints of another model are refused.

    Making one reads the checkpoint and opens the data, so that what is wrong
    with them is found before anything is written.

    Args:
      strategy: where to run.
      task: what to train or evaluate, made in the scope of the strategy.
      mode: "train", "eval", "train_and_eval" or "continuous_eval".
      config: the experiment.
      own_dir: where this worker writes: checkpoints, summaries, reports. All
        workers read the chief's.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        task: ImageTask,
        mode: str,
        config: cfg.ExperimentConfig,
        own_dir: str,
    ):
        self._task = task  # asked while the trainer is built
        self._watch = PreemptionWatch(task.workers)
        super().__init__(
            strategy,
            task,
            mode,
            config,
            own_dir,
            save_summary=task.workers.is_chief,
            controller_cls=functools.partial(
                ExperimentController,
                watch=self._watch,
                is_chief=task.workers.is_chief,
            ),
        )
        if "train" in mode:
            self.trainer.resume_input()

    @property
    def task(self) -> ImageTask:
        """What is trained or evaluated."""
        return self._task

    def run(self) -> None:
        """Trains or evaluates; an ended training is evaluated once more.

        Raises:
          Preempted: a worker got SIGTERM; the state of training is saved.
        """
        if "train" in self._mode and self._task.workers.is_chief:
            write_option_file(self.params, f"{self.model_dir}/params.yaml")
            write_versions(f"{self.model_dir}/versions.yaml")
            self._announce_training()
        if "train" not in self._mode:
            super().run()  # there is nothing to save
            return
        try:
            with self._watch.listening():
                self._train()
        except Preempted:
            self._save_preempted()
            raise
        self._task.workers.wait()

    def _train(self) -> None:
        super().run()
        if self._mode == "train_and_eval" and self._task.report is None:
            with self.strategy.scope():
                self.controller.evaluate(self.params.trainer.validation_steps)

    def _save_preempted(self) -> None:
        """Saves what is trained, and says that the run has not ended."""
        with self.strategy.scope():
            self.controller.save_checkpoint()
        self._task.workers.wait()
        if self._task.workers.is_chief:
            saved = self.checkpoint_manager.latest_checkpoint
            write_line(
                f"SIGTERM: {saved} saved, ending with status {int(STATUS)}; "
                "the same command goes on from there"
            )

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

    def _build_trainer(
        self, task: ImageTask, train: bool, evaluate: bool
    ) -> ImageTrainer:
        with self.strategy.scope():
            trainer = train_utils.create_trainer(
                self.params,
                task,
                train,
                evaluate,
                self._build_best_checkpoint_exporter(),
                functools.partial(ImageTrainer, agreement=self._watch.stops),
            )
            create_variables(trainer.optimizer, trainer.model)
        return trainer

    def _build_best_checkpoint_exporter(self) -> BestCheckpointExporter | None:
        trainer, known = self.params.trainer, self._task.METRICS
        metric = trainer.best_checkpoint_eval_metric
        if metric and metric not in known:
            raise ValueError(
                f"trainer.best_checkpoint_eval_metric is {metric!r}; known: "
                f"{', '.join(known)}."
            )
        if not (metric and trainer.best_checkpoint_export_subdir):
            return None
        return BestCheckpointExporter(
            self._task.workers,
            os.path.join(self.model_dir, trainer.best_checkpoint_export_subdir),
            metric,
            trainer.best_checkpoint_metric_comp,
        )

    def _maybe_build_checkpoint_manager(self) -> tf.train.CheckpointManager:
        settings, trainer = self.params.trainer, self.trainer
        checkpoint = trainer.checkpoint
        averages = isinstance(
            trainer.optimizer, optimization.ExponentialMovingAverage
        )
        if "train" not in self._mode and not averages:
            # Evaluation needs no state of the optimizer.
            checkpoint = PartialCheckpoint(
                global_step=trainer.global_step, model=trainer.model
            )
        return ModelCheckpointManager(
            trainer.model,
            self._task.workers,
            checkpoint=checkpoint,
            directory=self.model_dir,
            max_to_keep=settings.max_to_keep,
            step_counter=trainer.global_step,
            checkpoint_interval=settings.checkpoint_interval,
            init_fn=trainer.initialize,
        )

    def _build_controller(self, trainer, *args, **kwargs) -> orbit.Controller:
        actions = {"train_actions": [], "eval_actions": []}
        if trainer and self._task.workers.is_chief:
            line = StepLine(
                trainer.global_step,
                self.params.trainer.train_steps,
                self.params.task.train_data.global_batch_size,
            )
            actions["train_actions"].append(line)
            actions["eval_actions"].append(line.restart)
        if trainer:
            self.blow_ups = BlowUpReport(
                trainer.watch,
                self._task.workers,
                self.checkpoint_manager,
                self.params.trainer,
            )
            actions["train_actions"].append(self.blow_ups)
        for name, ours in actions.items():
            kwargs[name] = [*(kwargs.pop(name, None) or []), *ours]
        # Model Garden's own action of that name would save and train on.
        given = self._params
        self._params = given.replace(
            trainer={"preemption_on_demand_checkpoint": False}
        )
        controller = super()._build_controller(trainer, *args, **kwargs)
        self._params = given
        return controller
