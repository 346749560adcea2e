"""Writes panoptic models as SavedModels that need nothing but TensorFlow."""

import os
import pathlib
import tempfile

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.export.metadata import FILE_NAME, ExportMetadata
from axial_deeplab.layers.folded_weights import fold_model, folded_weights
from axial_deeplab.postprocess import PanopticSettings, panoptic_prediction

SEMANTIC_PROBABILITIES = "semantic_probabilities"
_RETURNED_MAPS = (
    keys.PANOPTIC,
    keys.SEMANTIC,
    keys.INSTANCE,
    keys.INSTANCE_SCORE,
)


class PanopticPredictor(tf.Module):
    """Images in, segments out, at any size; what `export_saved_model` saves.

    `predict(images)` takes uint8 [B, H, W, 3] and returns maps [B, H, W]:
    "panoptic" (int32, class * label_divisor + instance), "semantic" (int32),
    "instance" (int32, 0 on stuff), "instance_score" (float32) and, if asked
    for, "semantic_probabilities" (float32 [B, H, W, K]). Images without a
    pixel are a `tf.errors.InvalidArgumentError`. The norms of attention are
    folded into its weights, which stay what they were when this was made.

    Args:
      model: images to `keys.SEMANTIC_LOGITS`, `keys.CENTER_HEATMAP` and
        `keys.CENTER_OFFSET` at the size of the images.
      settings: how segments are formed.
      with_probabilities: whether to return the class probabilities as well.

    Raises:
      ValueError: the model returns something else.
    """

    def __init__(
        self,
        model: tf_keras.Model,
        settings: PanopticSettings,
        with_probabilities: bool = False,
    ):
        super().__init__()
        self.num_classes = _probe_classes(model)
        folded = fold_model(model)

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
            ]
        )
        def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
            with folded_weights(folded):
                outputs = model(_with_pixels(images), training=False)
            logits = tf.cast(outputs[keys.SEMANTIC_LOGITS], tf.float32)
            probabilities = tf.nn.softmax(logits)
            maps = panoptic_prediction(
                probabilities,
                outputs[keys.CENTER_HEATMAP],
                outputs[keys.CENTER_OFFSET],
                settings,
            )
            returned = {name: maps[name] for name in _RETURNED_MAPS}
            if with_probabilities:
                returned[SEMANTIC_PROBABILITIES] = probabilities
            return returned

        self.predict = predict
        # What is computed with is tracked, the model is not: Keras would trace
        # each layer once more and store what only Keras can read.
        self.weights = list(predict.get_concrete_function().graph.variables)


def export_saved_model(
    model: tf_keras.Model,
    dataset: DatasetSpec,
    settings: PanopticSettings,
    directory: str | os.PathLike,
    with_probabilities: bool = False,
) -> pathlib.Path:
    """Saves a model with its post-processing and class table.

    The signature "serving_default" is `PanopticPredictor.predict`. The folder
    appears complete or not at all; a SavedModel that is there is replaced.

    Args:
      model: see `PanopticPredictor`.
      dataset: class table, written to `assets/dataset.json`.
      settings: how segments are formed.
      directory: where to; a new or empty folder, or a SavedModel.
      with_probabilities: see `PanopticPredictor`.

    Returns:
      `directory`.

    Raises:
      ValueError: settings or model do not fit each other or the data set.
      FileExistsError: `directory` holds something else than a SavedModel.
    """
    directory = pathlib.Path(directory)
    _check_replaceable(directory)
    metadata = ExportMetadata(dataset, settings)
    predictor = PanopticPredictor(model, settings, with_probabilities)
    if predictor.num_classes != dataset.num_classes:
        raise ValueError(
            f"The model predicts {predictor.num_classes} classes, but the "
            f"data set {dataset.name!r} has {dataset.num_classes}."
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=directory.parent, prefix=f".{directory.name}.", suffix=".partial"
    ) as partial:
        metadata_file = pathlib.Path(partial) / FILE_NAME
        metadata_file.write_text(metadata.to_json(), encoding="utf-8")
        predictor.metadata_file = tf.saved_model.Asset(str(metadata_file))
        written = pathlib.Path(partial) / "saved_model"
        signatures = {"serving_default": predictor.predict}
        # Without its own gradients the attention would load with a warning a
        # layer.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
        tf.saved_model.save(predictor, str(written), signatures, options)
        if directory.exists():
            os.replace(directory, pathlib.Path(partial) / "replaced")
        os.replace(written, directory)
    return directory


def _with_pixels(images: tf.Tensor) -> tf.Tensor:
    """The images, to be read only once they are found to have pixels."""
    shape = tf.shape(images)
    check = tf.debugging.Assert(
        tf.reduce_all(shape[1:3] > 0),
        ["Images need at least one pixel; got [batch, H, W, 3] =", shape],
    )
    with tf.control_dependencies([check]):
        return tf.identity(images)


def _check_replaceable(directory: pathlib.Path) -> None:
    if directory.is_dir():
        names = {path.name for path in directory.iterdir()}
        if not names or "saved_model.pb" in names:
            return
    if directory.exists():
        raise FileExistsError(
            f"{directory} exists and is no SavedModel; name another folder."
        )


def _probe_classes(model: tf_keras.Model) -> int:
    """Classes that a model predicts for a small image; builds it, too."""
    outputs = model(tf.zeros([1, 33, 33, 3]), training=False)
    wanted = {keys.SEMANTIC_LOGITS, keys.CENTER_HEATMAP, keys.CENTER_OFFSET}
    found = set(outputs) if isinstance(outputs, dict) else set()
    if not wanted <= found:
        raise ValueError(
            f"A panoptic model returns a dictionary with {sorted(wanted)}; "
            f"{model.name!r} returns {sorted(found) or type(outputs)}."
        )
    return outputs[keys.SEMANTIC_LOGITS].shape[-1]
