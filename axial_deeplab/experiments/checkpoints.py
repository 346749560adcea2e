"""Checkpoints of a training run, which fit as a whole or not at all."""

import json
import math
import re
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import train_utils

from axial_deeplab.checkpoints.own_files import check_is_of_model, checked
from axial_deeplab.workers import Workers


class PartialCheckpoint(tf.train.Checkpoint):
    """Takes what it has from a file with more, without a line on each rest."""

    def restore(self, *args, **kwargs) -> Any:
        status = super().restore(*args, **kwargs)
        return status.expect_partial()


class ModelCheckpointManager(tf.train.CheckpointManager):
    """A checkpoint manager that restores what fits as a whole only.

    Saving reads variables that the workers keep together, so all of them save
    at the same steps, each into a folder of its own; all of them restore what
    the chief has saved.

    Args:
      model: the model that the checkpoints must fit.
      workers: who save and restore together.
      **kwargs: of `tf.train.CheckpointManager`.
    """

    def __init__(self, model: tf_keras.Model, workers: Workers, **kwargs):
        super().__init__(**kwargs)
        self._model, self._workers = model, workers

    def restore_or_initialize(self) -> str | None:
        """Restores the chief's latest checkpoint, if there is one.

        Raises:
          ValueError: it is of another model or optimizer, or damaged.
        """
        prefix = self._workers.of_chief(self.latest_checkpoint)
        if prefix:
            check_is_of_model(prefix, self._model)
            checked(prefix, self._restore_all, prefix)
        # The next lines read the files once more: only there are the counters
        # set, by which all workers save at the same steps.
        self._latest_checkpoint = prefix
        return super().restore_or_initialize()

    def _restore_all(self, prefix: str) -> None:
        try:
            status = self.checkpoint.restore(prefix)
            status.assert_existing_objects_matched()
        except (AssertionError, ValueError) as error:
            raise ValueError(
                "it has the weights of the model, but not the state of this "
                "optimizer; train in another folder, where "
                "task.init_checkpoint can start from these weights."
            ) from error


class BestCheckpointExporter(train_utils.BestCheckpointExporter):
    """Model Garden's, with one best value for all workers.

    The value is written after the checkpoint that has it, and whole. What is
    not a number is never the best.

    Args:
      workers: who export together, the chief into the folder that counts.
      *args: of Model Garden's exporter.
    """

    def __init__(self, workers: Workers, *args):
        self._workers = workers
        super().__init__(*args)

    def maybe_export_checkpoint(
        self,
        checkpoint: tf.train.Checkpoint,
        eval_logs: dict[str, Any],
        global_step: int,
        write_logs: bool = True,
    ) -> bool:
        """Whether the evaluation was the best, and is exported."""
        is_best = super().maybe_export_checkpoint(
            checkpoint, eval_logs, global_step, write_logs=False
        )
        if is_best and write_logs:
            self.export_best_eval_metric(eval_logs, global_step)
        return is_best

    def export_best_eval_metric(
        self, eval_logs: dict[str, Any], global_step: int
    ) -> None:
        """Writes the metrics as JSON."""
        logs = {name: float(value) for name, value in eval_logs.items()}
        logs["best_ckpt_global_step"] = float(global_step)
        partial = f"{self.best_ckpt_logs_path}.partial"
        with tf.io.gfile.GFile(partial, "w") as file:
            file.write(json.dumps(logs, indent=4) + "\n")
        tf.io.gfile.rename(partial, self.best_ckpt_logs_path, overwrite=True)

    def _new_metric_is_better(
        self, old_logs: dict[str, Any], new_logs: dict[str, Any]
    ) -> bool:
        (name,) = self._metric_name
        if math.isnan(float(old_logs[name])):
            return not math.isnan(float(new_logs[name]))
        return super()._new_metric_is_better(old_logs, new_logs)

    def _maybe_load_best_eval_metric(self) -> dict[str, float] | None:
        return self._workers.of_chief(super()._maybe_load_best_eval_metric())


def remove_unfinished(directory: str) -> None:
    """Removes checkpoints that were being written when their run ended.

    A checkpoint counts from the moment it has an index; its parts, and the
    folders that they are collected in, come before that.
    """
    for prefix in ("ckpt", "best_ckpt", "average_weights"):
        for folder, _, files in list(tf.io.gfile.walk(directory)):
            if re.search(rf"/{prefix}-\d+_temp$", folder):
                tf.io.gfile.rmtree(folder)
                continue
            for name in files:
                part = re.match(rf"({prefix}-\d+)\.data-\d+-of-\d+$", name)
                if part and f"{part[1]}.index" not in files:
                    tf.io.gfile.remove(f"{folder}/{name}")
