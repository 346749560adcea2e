"""Training curves from the summaries of a model folder."""

import pathlib

import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from axial_deeplab import visualization

CURVES_FILE = "training_curves.png"

# What is worth a panel, by summary folder.
_PANELS = {
    "train": (
        "training_loss",
        "semantic_loss",
        "center_loss",
        "offset_loss",
        "classification_loss",
        "training_top_1",
        "learning_rate",
    ),
    "validation": (
        "validation_loss",
        "pq_all",
        "pq_things",
        "pq_stuff",
        "mean_iou",
        "top_1",
        "top_5",
    ),
}


def read_scalars(folder: pathlib.Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) pairs by tag from the event files of a folder."""
    events = event_accumulator.EventAccumulator(
        str(folder), size_guidance={event_accumulator.TENSORS: 0}
    )
    events.Reload()
    scalars = {}
    for tag in events.Tags()["tensors"]:
        values = (
            (event.step, tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
        )
        # A resumed run writes some steps twice: the later value counts.
        points = {
            step: float(value)
            for step, value in values
            if value.ndim == 0 and value.dtype.kind in "fiu"
        }
        if points:
            scalars[tag] = sorted(points.items())
    return scalars


def plot_curves(model_dir: str) -> pathlib.Path | None:
    """Plots the summaries of a model folder into `CURVES_FILE`.

    Returns:
      The file, or None if there are no summaries yet.
    """
    history = {}
    for subdir, tags in _PANELS.items():
        folder = pathlib.Path(model_dir, subdir)
        if folder.is_dir():
            scalars = read_scalars(folder)
            history |= {tag: scalars[tag] for tag in tags if tag in scalars}
    if not history:
        return None
    path = pathlib.Path(model_dir, CURVES_FILE)
    visualization.training_curves(history, path)
    return path
