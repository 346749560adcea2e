"""Checkpoints of a training run, which fit as a whole or not at all."""

import pathlib

import tensorflow as tf
import tf_keras
from official.core import train_utils

from axial_deeplab.checkpoints.own_files import check_is_of_model, checked
from axial_deeplab.experiments.workers import Workers


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

    Args:
      workers: who export together, the chief into the folder that counts.
      *args: of Model Garden's exporter.
    """

    def __init__(self, workers: Workers, *args):
        self._workers = workers
        super().__init__(*args)

    def _maybe_load_best_eval_metric(self) -> dict[str, float] | None:
        return self._workers.of_chief(super()._maybe_load_best_eval_metric())


def remove_unfinished(directory: str) -> None:
    """Removes what a run has begun to write as it was ended.

    A checkpoint counts from the moment it has an index; its parts, and the
    folders that they are collected in, come before that.
    """
    folder = pathlib.Path(directory)
    for path in folder.rglob("*-*_temp/*"):
        path.unlink()
    for path in folder.rglob("*-*_temp"):
        path.rmdir()
    for path in folder.rglob("*-*.data-*-of-*"):
        index = path.name.split(".data-")[0] + ".index"
        if not path.with_name(index).exists():
            path.unlink()
