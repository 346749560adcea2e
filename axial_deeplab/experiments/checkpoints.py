"""Checkpoints that are refused when they belong to another model.

`tf.train.Checkpoint.restore` takes whatever fits and leaves the rest at its
initial value; a wrong model then runs and is bad. Here everything must fit.
"""

import zipfile
from collections.abc import Callable

import tensorflow as tf
import tf_keras

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "/.OPTIMIZER_SLOT/"


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
            _checked(prefix, self._restore_all, prefix)
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


def resolve_checkpoint(path: str) -> str:
    """The prefix that `path` names: a prefix, or the latest of a folder.

    Raises:
      FileNotFoundError: there is no checkpoint.
    """
    found = path
    if tf.io.gfile.isdir(path):
        # (`latest_checkpoint` would log an error of its own.)
        state = tf.train.get_checkpoint_state(path)
        found = state.model_checkpoint_path if state else None
    if not found or not tf.io.gfile.exists(f"{found}.index"):
        raise FileNotFoundError(f"There is no checkpoint at {path}.")
    return found


def load_model(
    path: str, build: Callable[[], tf_keras.Model] | None = None
) -> tf_keras.Model:
    """What a .keras file holds, else `build()` with weights of a checkpoint.

    Raises:
      FileNotFoundError: there is no such file, or no checkpoint.
      ValueError: it is damaged, or of another model.
    """
    if not path.endswith(".keras"):
        model = build()
        restore_model(path, model)
        return model
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        return tf_keras.models.load_model(path, compile=False)
    except (OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        first_line = f"{error}".strip().splitlines()[0]
        raise ValueError(f"{path} cannot be loaded: {first_line}") from error


def restore_model(path: str, model: tf_keras.Model) -> str:
    """Restores all weights of a model from a checkpoint of the trainer.

    Returns:
      The prefix of the checkpoint.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: it is of another model, or damaged.
    """
    prefix = resolve_checkpoint(path)
    check_is_of_model(prefix, model)
    restore_parts(prefix, {"model": model})
    return prefix


def restore_parts(path: str, parts: dict[str, tf.Module]) -> None:
    """Restores parts of a model by their name in the checkpoint.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: a part does not fit.
    """
    prefix = resolve_checkpoint(path)
    status = _checked(prefix, tf.train.Checkpoint(**parts).read, prefix)
    _checked(prefix, status.expect_partial().assert_existing_objects_matched)


def check_is_of_model(prefix: str, model: tf_keras.Model) -> None:
    """Compares number and shapes of the weights.

    Raises:
      ValueError: they differ, or the file cannot be read.
    """
    reader = _checked(prefix, tf.train.load_checkpoint, prefix)
    roots = {"model", *getattr(model, "checkpoint_items", {})}
    stored = sorted(
        tuple(shape)
        for name, shape in reader.get_variable_to_shape_map().items()
        if name.split("/")[0] in roots
        and name.endswith(_VALUE)
        and _SLOT not in name
    )
    wanted = sorted(tuple(weight.shape) for weight in model.weights)
    if stored != wanted:
        raise ValueError(
            f"The checkpoint {prefix} is of another model: it holds "
            f"{len(stored)} weights, {model.name} has {len(wanted)}, and "
            f"{_differing(stored, wanted)} shapes differ."
        )


def _differing(stored: list[tuple], wanted: list[tuple]) -> int:
    rest = list(wanted)
    for shape in stored:
        if shape in rest:
            rest.remove(shape)
    return max(len(rest), len(stored) - len(wanted) + len(rest))


def _checked(prefix: str, function, *args):
    try:
        return function(*args)
    except (
        AssertionError,
        IndexError,  # raised for a file that ends too early
        ValueError,
        RuntimeError,
        tf.errors.OpError,
    ) as e:
        first_line = f"{e}".strip().splitlines()[0]
        raise ValueError(
            f"The checkpoint {prefix} cannot be restored: {first_line}"
        ) from e
