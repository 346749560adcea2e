"""Writes models as SavedModels that need nothing but TensorFlow."""

import os
import pathlib
import tempfile

import tensorflow as tf
import tf_keras

from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.export.metadata import FILE_NAME, ExportMetadata
from axial_deeplab.export.model_card import CARD_FILE, ModelCard, card_text
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.panoptic_predictor import PanopticPredictor
from axial_deeplab.export.predictor import Predictor
from axial_deeplab.export.reuse import BackboneFunctions
from axial_deeplab.export.semantic_predictor import SemanticPredictor
from axial_deeplab.postprocess import PanopticSettings


def export_saved_model(
    model: tf_keras.Model,
    dataset: DatasetSpec,
    settings: PanopticSettings | None,
    directory: str | os.PathLike,
    options: ExportOptions | None = None,
    card: ModelCard | None = None,
) -> pathlib.Path:
    """Saves a model with its post-processing, class table and model card.

    Signatures: "serving_default", "encoded" and "heads" are `predict`,
    `predict_encoded` and `heads` of a `Predictor`; of a model with a
    `backbone`, "features" is that of `BackboneFunctions`, and the loaded
    object its `call`, as TF Hub wants it. The folder appears complete or not
    at all; a SavedModel that is there is replaced.

    Args:
      model: see `PanopticPredictor` and `SemanticPredictor`.
      dataset: class table, written to `assets/dataset.json`.
      settings: how segments are formed; None for a semantic model.
      directory: where to; a new or empty folder, or a SavedModel.
      options: scales, weights, sizes and limits.
      card: what `README.md` says of the training.

    Returns:
      `directory`.

    Raises:
      ValueError: settings, options or model do not fit each other or the
        data set.
      FileExistsError: `directory` holds something else than a SavedModel.
    """
    directory = pathlib.Path(directory)
    options = options or ExportOptions()
    check_replaceable(directory)
    metadata = ExportMetadata(dataset, settings)
    if settings is None:
        predictor = SemanticPredictor(model, dataset.ignore_label, options)
    else:
        predictor = PanopticPredictor(model, settings, options)
    if predictor.num_classes != dataset.num_classes:
        raise ValueError(
            f"The model predicts {predictor.num_classes} classes, but the "
            f"data set {dataset.name!r} has {dataset.num_classes}."
        )
    root, signatures = _saved_object(model, predictor)
    text = card_text(
        card or ModelCard(model.name),
        metadata,
        options,
        [*signatures, *(["__call__"] if hasattr(root, "variables") else [])],
        model.count_params(),
    )
    contents = {FILE_NAME: metadata.to_json(), CARD_FILE: text}
    write_saved_model(root, signatures, contents, directory)
    return directory


def write_saved_model(
    root: tf.train.Checkpoint,
    signatures: dict[str, tf.types.experimental.Callable],
    contents: dict[str, str],
    directory: pathlib.Path,
) -> None:
    """Writes the SavedModel with its text files, whole or not at all.

    Args:
      root: what holds the weights.
      signatures: functions by name.
      contents: of the card and, if there is one, of the asset, by name of
        the file.
      directory: that `check_replaceable` has found usable.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=directory.parent, prefix=f".{directory.name}.", suffix=".partial"
    ) as folder:
        partial = pathlib.Path(folder)
        if FILE_NAME in contents:
            metadata_file = partial / FILE_NAME
            metadata_file.write_text(contents[FILE_NAME], encoding="utf-8")
            root.metadata_file = tf.saved_model.Asset(str(metadata_file))
        written = partial / "saved_model"
        # Without its own gradients the attention would load with a warning a
        # layer.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
        tf.saved_model.save(root, str(written), signatures, options)
        (written / CARD_FILE).write_text(contents[CARD_FILE], encoding="utf-8")
        if directory.exists():
            os.replace(directory, partial / "replaced")
        os.replace(written, directory)


def _saved_object(
    model: tf_keras.Model, predictor: Predictor
) -> tuple[tf.train.Checkpoint, dict[str, tf.types.experimental.Callable]]:
    """What is saved, and its signatures by name."""
    root = tf.train.Checkpoint()
    root.weights = predictor.weights
    functions = {
        "serving_default": predictor.predict,
        "heads": predictor.heads,
    }
    if predictor.predict_encoded is not None:
        functions["encoded"] = predictor.predict_encoded
    backbone = getattr(model, "backbone", None)
    if backbone is not None and predictor.options.with_features:
        reusable = BackboneFunctions(backbone, predictor.options)
        root.backbone_weights = reusable.weights
        functions["features"] = reusable.features
        if reusable.call is not None:
            reusable.make_callable(root)
    # Traced here: while it saves, TensorFlow would trace the model once more.
    signatures = {
        name: function.get_concrete_function()
        for name, function in functions.items()
    }
    return root, signatures


def check_replaceable(directory: pathlib.Path) -> None:
    """Raises a `FileExistsError` unless it is free, or a SavedModel."""
    if directory.is_dir():
        names = {path.name for path in directory.iterdir()}
        if not names or "saved_model.pb" in names:
            return
    if directory.exists():
        raise FileExistsError(
            f"{directory} exists and is no SavedModel; name another folder."
        )
