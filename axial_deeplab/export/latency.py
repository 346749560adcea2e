"""How long predictions take: the bare model, `predict`, and its SavedModel."""

import pathlib
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.panoptic_predictor import (
    PanopticPredictor,
    panoptic_maps,
)
from axial_deeplab.export.reuse import load
from axial_deeplab.export.saved_model import export_saved_model
from axial_deeplab.models.presets import create_model
from axial_deeplab.postprocess import PanopticSettings
from axial_deeplab.timing import TimedModel, seconds_of

_DATASET = "cityscapes_panoptic"
FORWARD, COMPILED, SEGMENTS = "forward", "forward, XLA", "segments"
PREDICT, SAVED_MODEL = "predict", "SavedModel"
SIDES = (FORWARD, COMPILED, SEGMENTS, PREDICT, SAVED_MODEL)

COLUMNS = (
    *("row", "model", "image", "batch", "forward, s", "XLA / forward"),
    *("predict / forward", "SavedModel / forward", "segments / forward"),
)
CAPTION = """\
All of a row take turns in one process; seconds are medians, ratios medians of
the ratios of a turn. Forward is the model alone, as a graph; predict adds the
checks of its input and forms segments and their lists; SavedModel is the same
once exported and loaded. Segments are that addition by itself. XLA compiles
the forward pass for this size. Weights are random."""

Seconds = dict[str, list[float]]


class Prepared:
    """A model, its `predict` and its SavedModel, for images of any size.

    Args:
      name: of the model.
      options: for `create_model`.

    Raises:
      ValueError: there is no such model, it predicts no segments, or the
        options have a number of classes.
    """

    def __init__(self, name: str, options: Mapping[str, Any]):
        spec = dataset_spec(_DATASET)
        if "num_classes" in options:
            raise ValueError(
                f"The classes are those of {_DATASET}; leave num_classes out."
            )
        self.settings = PanopticSettings.of(spec)
        self.model = create_model(name, num_classes=spec.num_classes, **options)
        self.live = PanopticPredictor(self.model, self.settings).predict
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "saved_model")
            # The backbone to train on takes its time, and is not asked.
            small = ExportOptions(with_features=False)
            export_saved_model(self.model, spec, self.settings, path, small)
            self.saved = load(path).predict


def measure(
    prepared: Prepared,
    case: TimedModel,
    repeats: int,
    on_turn: Callable[[], None] = lambda: None,
) -> Seconds:
    """Seconds of each of `SIDES`, turn by turn, once each has run.

    Args:
      prepared: the model of the case.
      case: its images.
      repeats: how many turns are timed.
      on_turn: called after each turn, the first one, untimed, too.
    """
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (case.batch, *case.size_px, 3))
    sides = _sides(prepared, tf.constant(pixels, tf.uint8))
    for run in sides.values():
        seconds_of(run)
    on_turn()
    seconds: Seconds = {name: [] for name in SIDES}
    for _ in range(repeats):
        for name in SIDES:
            seconds[name].append(seconds_of(sides[name]))
        on_turn()
    return seconds


def _sides(
    prepared: Prepared, images: tf.Tensor
) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    model = prepared.model

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return model(tf.cast(images, tf.float32), training=False)

    forward = tf.function(run, autograph=False)
    compiled = tf.function(run, autograph=False, jit_compile=True)
    segments = _segments(prepared.settings)
    outputs = forward(images)
    return {
        FORWARD: lambda: forward(images),
        COMPILED: lambda: compiled(images),
        SEGMENTS: lambda: segments(outputs),
        PREDICT: lambda: prepared.live(images),
        SAVED_MODEL: lambda: prepared.saved(images),
    }


def _segments(settings: PanopticSettings) -> Callable:
    """What `predict` does with the outputs of the model."""

    def segments(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(outputs[keys.SEMANTIC_LOGITS])
        outputs = outputs | {keys.SEMANTIC_PROBABILITIES: probabilities}
        return panoptic_maps(outputs, settings)

    return tf.function(segments, autograph=False)


def format_rows(
    cases: Sequence[TimedModel], found: Sequence[Seconds]
) -> list[list[str]]:
    """The heading and a line of cells for each case."""
    rows = [list(COLUMNS)]
    for case, seconds in zip(cases, found, strict=True):
        height, width = case.size_px
        rows.append(
            [
                *("-", case.model, f"{height}x{width}", str(case.batch)),
                f"{statistics.median(seconds[FORWARD]):.3g}",
                *(
                    f"{_ratio(seconds[name], seconds[FORWARD]):.2f}"
                    for name in (COMPILED, PREDICT, SAVED_MODEL, SEGMENTS)
                ),
            ]
        )
    return rows


def _ratio(some: Sequence[float], others: Sequence[float]) -> float:
    pairs = zip(some, others, strict=True)
    return statistics.median(one / other for one, other in pairs)
