r"""Teaches an exported backbone another class set, inside a tf_keras model.

python tools/finetune_export.py --saved_model=runs/quickstart/saved_model

An example of reuse with TensorFlow Hub: the export, made for the nine classes
of the shapes, becomes the trainable lower part of a user's own model, which
learns to tell round things (disc, ring), things with corners (triangle,
square, star) and everything else, at another image size. About two minutes on
a CPU. Prints the intersection over union of each class on scenes it has not
seen, before and after; --frozen trains the new head alone. The scenes are
rendered here; with pictures of your own, replace `scenes`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_hub as hub  # noqa: E402
import tf_keras  # noqa: E402
from absl import flags  # noqa: E402

from axial_deeplab.command_line import run_tool  # noqa: E402
from axial_deeplab.data import convert_shapes  # noqa: E402
from axial_deeplab.data.dataset_specs import dataset_spec  # noqa: E402
from axial_deeplab.export import read_metadata  # noqa: E402
from axial_deeplab.progress import ProgressBar  # noqa: E402

CLASSES = ("other", "round", "cornered")
_NAMES = {"disc": 1, "ring": 1, "triangle": 2, "square": 2, "star": 2}
_SIZE_PX = (65, 81)
_VALIDATION_SCENES = 40


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_string(
        "saved_model",
        None,
        "Folder of a reusable model that tools/export.py wrote.",
        flag_values=values,
        required=True,
    )
    for name, default, text in (
        ("steps", 200, "Training steps."),
        ("batch_size", 8, "Scenes a step."),
    ):
        flags.DEFINE_integer(
            name, default, text, lower_bound=1, flag_values=values
        )
    flags.DEFINE_bool(
        "frozen", False, "Train the new head only.", flag_values=values
    )
    flags.DEFINE_string(
        "output_file",
        None,
        "Where to save the new model (.keras needs the export, too).",
        flag_values=values,
    )


def build_model(
    saved_model: str, num_classes: int, trainable: bool = True
) -> tf_keras.Model:
    """The exported backbone below a new head.

    Images float32 [B, H, W, 3] in 0..255 to logits [B, H, W, num_classes].
    """
    images = tf_keras.Input([None, None, 3])
    features = hub.KerasLayer(saved_model, trainable=trainable)(images)
    fine, coarse = features["level_2"], features["level_5"]
    size = tf.shape(fine)[1:3]
    x = tf.concat([fine, tf.image.resize(coarse, size)], axis=-1)
    x = tf_keras.layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = tf_keras.layers.Conv2D(num_classes, 1)(x)
    logits = tf.image.resize(x, tf.shape(images)[1:3])
    return tf_keras.Model(images, logits)


def scenes(split: str, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [count, H, W, 3] and labels int32 [count, H, W]."""
    spec = dataset_spec("shapes")
    label_of_id = np.zeros(spec.ignore_label + 1, np.int32)
    for one in spec.classes:
        label_of_id[one.id] = _NAMES.get(one.name, 0)
    pairs = [
        convert_shapes.render_split_scene(7, split, index, _SIZE_PX)
        for index in range(first, first + count)
    ]
    images, maps = (np.stack(one) for one in zip(*pairs, strict=True))
    return images.astype(np.float32), label_of_id[maps // spec.label_divisor]


def intersection_over_union(model: tf_keras.Model) -> np.ndarray:
    """Of each class, over the validation scenes."""
    images, labels = scenes("val", 0, _VALIDATION_SCENES)
    found = model.predict(images, batch_size=8, verbose=0).argmax(-1)
    classes = np.arange(len(CLASSES))[:, None, None, None]
    truth, found = labels == classes, found == classes
    axes = (1, 2, 3)
    return (truth & found).sum(axes) / (truth | found).sum(axes)


def finetune(values: flags.FlagValues) -> str:
    """Does what the module says; returns the table."""
    read_metadata(values.saved_model)  # names what is no export of ours
    model = build_model(values.saved_model, len(CLASSES), not values.frozen)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(1e-3), loss)
    before = intersection_over_union(model)
    with ProgressBar(values.steps, "training", "steps") as bar:
        for step in range(values.steps):
            first = step * values.batch_size
            model.train_on_batch(*scenes("train", first, values.batch_size))
            bar.update()
    after = intersection_over_union(model)
    if values.output_file:
        model.save(values.output_file)
    rows = [f"{'class':10}  before  after"]
    for name, old, new in zip(CLASSES, before, after, strict=True):
        rows.append(f"{name:10}  {100 * old:6.2f}  {100 * new:5.2f}")
    return "\n".join(rows)


if __name__ == "__main__":
    run_tool(finetune, define_flags)
