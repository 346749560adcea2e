"""Checkpoints of our models, refused when they belong to another one.

`tf.train.Checkpoint.restore` takes whatever fits and leaves the rest at its
initial value; a wrong model then runs and is bad. Here everything must fit.
"""

import json
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

MODEL_FILE = "model.json"
_FOREIGN_ENDINGS = (".pth", ".pt", ".safetensors")
# Files that are no checkpoints.
FILE_ENDINGS = (".keras", ".h5", *_FOREIGN_ENDINGS)
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "/.OPTIMIZER_SLOT/"


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


def write_checkpoint(
    model: tf_keras.Model,
    directory: str | os.PathLike,
    name: str,
    options: dict[str, Any],
) -> str:
    """Writes a model for `load_weights`, and as the trainer would.

    The folder appears complete or not at all.

    Args:
      model: built.
      directory: a new or empty folder, or one that this has written.
      name: of the model, for `create_model`.
      options: that `create_model` built it with.

    Returns:
      The prefix of the checkpoint.

    Raises:
      FileExistsError: there is something else in the folder.
    """
    directory = pathlib.Path(directory)
    check_replaceable(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=directory.parent, prefix=f".{directory.name}.", suffix=".partial"
    ) as folder:
        partial = pathlib.Path(folder, "written")
        # Who has no parts is a backbone.
        items = getattr(model, "checkpoint_items", {"backbone": model})
        checkpoint = tf.train.Checkpoint(model=model, **items)
        manager = tf.train.CheckpointManager(checkpoint, str(partial), 1)
        prefix = manager.save()
        described = {"name": name, "options": options}
        (partial / MODEL_FILE).write_text(json.dumps(described, indent=1))
        if directory.exists():
            os.replace(directory, pathlib.Path(folder, "replaced"))
        os.replace(partial, directory)
    return str(directory / pathlib.Path(prefix).name)


def check_replaceable(directory: pathlib.Path) -> None:
    """Whether `write_checkpoint` may write there.

    Raises:
      FileExistsError: there is something that it has not written.
    """
    if directory.is_dir():
        names = {path.name for path in directory.iterdir()}
        if not names or MODEL_FILE in names:
            return
    if directory.exists():
        raise FileExistsError(
            f"{directory} exists and holds no converted checkpoint; name "
            "another folder."
        )


def stored_options(path: str) -> dict[str, Any]:
    """The options of the model whose weights are at `path`, if it says them.

    Raises:
      ValueError: the file that says them is damaged.
    """
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    file = pathlib.Path(folder, MODEL_FILE)
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text())["options"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: {error}.") from error


def load_weights(path: str, model: tf_keras.Model) -> None:
    """Gives a built model the weights of a file.

    Args:
      path: a checkpoint of the trainer or a converted one (prefix, or folder:
        its latest), a .keras file, or a file of `Model.save_weights` (.h5).
      model: a whole model, or a backbone, which is taken out of a whole one.

    Raises:
      FileNotFoundError: there is no such file, or no checkpoint.
      ValueError: it is of another model, or damaged.
    """
    refuse_foreign(path)
    if path.endswith(".keras"):
        _set_weights(path, load_model(path), model)
    elif path.endswith(".h5"):
        _load_h5(path, model)
    elif hasattr(model, "checkpoint_items"):
        restore_model(path, model)
    else:
        restore_parts(path, {"backbone": model})


def refuse_foreign(path: str) -> None:
    """Says what to do with files of others.

    Raises:
      ValueError: it is one.
    """
    if path.endswith(_FOREIGN_ENDINGS):
        raise ValueError(
            f"{path} is a file of PyTorch; convert it first, with "
            "tools/import_checkpoint.py."
        )


def _set_weights(
    path: str, loaded: tf_keras.Model, model: tf_keras.Model
) -> None:
    if not hasattr(model, "checkpoint_items"):
        loaded = getattr(loaded, "backbone", loaded)
    stored, wanted = (
        [tuple(weight.shape) for weight in one.weights]
        for one in (loaded, model)
    )
    if stored != wanted:
        raise ValueError(
            f"{path} is of another model: it holds {len(stored)} weights, "
            f"{model.name} has {len(wanted)}, and "
            f"{_differing(sorted(stored), sorted(wanted))} shapes differ."
        )
    for weight, value in zip(model.weights, loaded.weights, strict=True):
        weight.assign(value)


def _load_h5(path: str, model: tf_keras.Model) -> None:
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        model.load_weights(path)
    except (LookupError, OSError, TypeError, ValueError) as error:
        first_line = f"{error}".strip().splitlines()[0]
        raise ValueError(f"{path} cannot be loaded: {first_line}") from error


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
    status = checked(prefix, tf.train.Checkpoint(**parts).read, prefix)
    checked(prefix, status.expect_partial().assert_existing_objects_matched)


def check_is_of_model(prefix: str, model: tf_keras.Model) -> None:
    """Compares number and shapes of the weights.

    Raises:
      ValueError: they differ, or the file cannot be read.
    """
    reader = checked(prefix, tf.train.load_checkpoint, prefix)
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


def checked(prefix: str, function: Callable[..., Any], *args: Any) -> Any:
    """Calls a function that reads a checkpoint; errors become one line.

    Raises:
      ValueError: the checkpoint is damaged, or does not fit.
    """
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
