"""Shows what records hold, or what training makes of them, as one picture.

python tools/show_samples.py --dataset=coco_panoptic \
    --file_pattern='data/coco/train-*.tfrecord' --output=samples.png
python tools/show_samples.py --dataset=cityscapes_panoptic --crop=513,1025 \
    --file_pattern='data/cityscapes/train-*' --output=views.png --training \
    --scale_range=0.5,2 --colour=simple_policy --seed=1

A row is an image, its panoptic map (classes in their colours, void black) and,
with --training, the weights of the semantic loss and the heatmap of centers.
The sizes, ids and classes of the samples are printed.
"""

import os
import pathlib

# Before TensorFlow is imported: its remarks on missing GPUs would bury ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import flags
from PIL import Image

from axial_deeplab import keys, visualization
from axial_deeplab.command_line import run_tool
from axial_deeplab.data import tfrecord_schema
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.colour_augment import COLOUR_AUGMENTATIONS
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec
from axial_deeplab.data.pipeline import PipelineConfig, make_dataset

_GAP_PX = 4


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    for name, text in (
        ("dataset", "Data set of the records, or the path of a YAML file."),
        ("file_pattern", "Which TFRecord files."),
        ("output", "PNG to write."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)
    for name, default, text in (
        ("samples", 4, "How many rows."),
        ("width", 480, "Width of a picture in pixels."),
        ("long_side", None, "--training: resize to this longer side first."),
    ):
        flags.DEFINE_integer(
            name, default, text, lower_bound=1, flag_values=values
        )
    flags.DEFINE_bool(
        "training", False, "Show augmented crops.", flag_values=values
    )
    flags.DEFINE_list(
        "crop", ["513", "513"], "Height,width.", flag_values=values
    )
    flags.DEFINE_list(
        "scale_range", ["1", "1"], "Smallest,largest.", flag_values=values
    )
    flags.DEFINE_enum(
        "colour", None, [*COLOUR_AUGMENTATIONS], "How.", flag_values=values
    )
    flags.DEFINE_integer("seed", 0, "Of the views.", flag_values=values)


def record_rows(
    values: flags.FlagValues, spec: DatasetSpec
) -> tuple[list[list[np.ndarray]], list[str]]:
    """Pictures and descriptions of the first records."""
    files = sorted(tf.io.gfile.glob(values.file_pattern))
    if not files:
        raise FileNotFoundError(f"No file matches {values.file_pattern!r}.")
    rows, lines = [], []
    for record in tf.data.TFRecordDataset(files).take(values.samples):
        example = tfrecord_schema.decode_example(record)
        panoptic = example[keys.PANOPTIC].numpy()
        image = example[keys.IMAGE].numpy()
        rows.append([image, visualization.colour_panoptic(panoptic, spec)])
        name = example[keys.IMAGE_ID].numpy().decode()
        lines.append(f"{name}: {_described(panoptic, spec)}")
    return rows, lines


def training_rows(
    values: flags.FlagValues, spec: DatasetSpec
) -> tuple[list[list[np.ndarray]], list[str]]:
    """Pictures and descriptions of views as training sees them."""
    config = PipelineConfig(
        values.file_pattern,
        crop_size_px=_pair(values.crop, int, "crop"),
        batch_size=1,
        resize_long_side_px=values.long_side,
        augmentation=Augmentation(
            _pair(values.scale_range, float, "scale_range"),
            colour=values.colour,
        ),
        seed=values.seed,
        repeat=True,
    )
    rows, lines = [], []
    dataset = make_dataset(config, spec).take(values.samples)
    for image, targets, weights in dataset:
        semantic = targets[keys.SEMANTIC_LOGITS][0].numpy()
        panoptic = semantic * spec.label_divisor
        heatmap = targets[keys.CENTER_HEATMAP][0, ..., 0].numpy()
        weight = weights[keys.SEMANTIC_LOGITS][0].numpy()
        rows.append(
            [
                image[0].numpy().astype(np.uint8),
                visualization.colour_panoptic(panoptic, spec),
                _grey(weight / max(weight.max(), 1)),
                _grey(heatmap),
            ]
        )
        lines.append(f"view {len(rows)}: {_described(panoptic, spec)}")
    return rows, lines


def _described(panoptic: np.ndarray, spec: DatasetSpec) -> str:
    ids = np.unique(panoptic[panoptic != spec.void_id])
    classes = np.unique(ids // spec.label_divisor)
    names = [spec.class_by_id[number].name for number in classes.tolist()]
    height, width = panoptic.shape
    return f"{height}x{width}, {len(ids)} segments: {', '.join(names)}"


def _pair(texts: list[str], kind: type, name: str) -> tuple:
    try:
        first, second = map(kind, texts)
    except ValueError as error:
        raise ValueError(
            f"--{name} must be two numbers; got {','.join(texts)}."
        ) from error
    return first, second


def _grey(share: np.ndarray) -> np.ndarray:
    values = np.clip(255 * share, 0, 255).astype(np.uint8)
    return np.repeat(values[..., None], 3, axis=-1)


def _sheet(rows: list[list[np.ndarray]], width: int) -> Image.Image:
    heights = [max(width * len(r[0]) // r[0].shape[1], 1) for r in rows]
    sheet = Image.new(
        "RGB",
        (
            len(rows[0]) * (width + _GAP_PX),
            sum(heights) + _GAP_PX * len(rows),
        ),
        "white",
    )
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            small = Image.fromarray(picture).resize((width, height))
            sheet.paste(small, (column * (width + _GAP_PX), top))
        top += height + _GAP_PX
    return sheet


def show(values: flags.FlagValues) -> str:
    """Writes the picture; returns what it shows."""
    spec = dataset_spec(values.dataset)
    rows, lines = (training_rows if values.training else record_rows)(
        values, spec
    )
    output = pathlib.Path(values.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".unfinished")
    _sheet(rows, values.width).save(unfinished, format="PNG")
    os.replace(unfinished, output)
    return "\n".join([*lines, f"{len(rows)} samples are in {output}"])


if __name__ == "__main__":
    run_tool(show, define_flags)
