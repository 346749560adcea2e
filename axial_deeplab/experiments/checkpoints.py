"""Checkpoints of a training run, which fit as a whole or not at all."""

import tensorflow as tf
import tf_keras

from axial_deeplab.checkpoints.own_files import check_is_of_model, checked


class ModelCheckpointManager(tf.train.CheckpointManager):
    """A checkpoint manager that restores what fits as a whole only.

    Args:
      model: the model that the checkpoints must fit.
      **kwargs: of `tf.train.CheckpointManager`.
    """

    def __init__(self, model: tf_keras.Model, **kwargs):
        super().__init__(**kwargs)
        self._model = model

    def restore_or_initialize(self) -> str | None:
        """Restores the latest checkpoint, if there is one.

        Raises:
          ValueError: it is of another model or optimizer, or damaged.
        """
        prefix = self.latest_checkpoint
        if prefix:
            check_is_of_model(prefix, self._model)
            checked(prefix, self._restore_all, prefix)
        # Reads the files once more: only there can it set its counters.
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
