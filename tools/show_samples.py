"""Shows what records hold, or what training makes of them, as one picture.

python tools/show_samples.py --dataset=coco_panoptic \
    --file_pattern='data/coco/train-*.tfrecord' --output=samples.png
python tools/show_samples.py --dataset=cityscapes_panoptic --crop=513,1025 \
    --file_pattern='data/cityscapes/train-*' --output=views.png --training \
    --scale_range=0.5,2 --colour=simple_policy --seed=1

A row is an image and its panoptic map: classes in their colours, instances in
tints of them, void black, segments that are large enough with their names. With
--training follow the weights of the semantic loss (white is the largest), the
heatmap of centers over the image, and the offsets to them: the hue is the
direction, and the further the brighter. A legend names the classes.
The sizes, ids and classes of the samples are printed.
"""

import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

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

_HEAT = (255, 40, 40)
# Red, green and blue, in angles of the colour circle.
_THIRDS = 2 * np.pi * np.array([0, 1, 2]) / 3


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


class Sample(NamedTuple):
    """An image uint8 [H, W, 3], its map [H, W] and more pictures by caption."""

    name: str
    image: np.ndarray
    panoptic: np.ndarray
    more: dict[str, np.ndarray]


def read_records(values: flags.FlagValues) -> Iterator[Sample]:
    """The first records."""
    files = sorted(tf.io.gfile.glob(values.file_pattern))
    if not files:
        raise FileNotFoundError(f"No file matches {values.file_pattern!r}.")
    for record in tf.data.TFRecordDataset(files).take(values.samples):
        example = tfrecord_schema.decode_example(record)
        yield Sample(
            example[keys.IMAGE_ID].numpy().decode(),
            example[keys.IMAGE].numpy(),
            example[keys.PANOPTIC].numpy(),
            {},
        )


def read_views(values: flags.FlagValues, spec: DatasetSpec) -> Iterator[Sample]:
    """Views as training sees them."""
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
    dataset = make_dataset(config, spec).take(values.samples)
    for number, (image, targets, weights) in enumerate(dataset, 1):
        image = image[0].numpy().astype(np.uint8)
        heat = targets[keys.CENTER_HEATMAP][0].numpy()
        weight = weights[keys.SEMANTIC_LOGITS][0].numpy()
        offset = targets[keys.CENTER_OFFSET][0].numpy()
        is_instance = weights[keys.CENTER_OFFSET][0].numpy() > 0
        semantic = targets[keys.SEMANTIC_LOGITS][0].numpy()
        panoptic = semantic * spec.label_divisor
        panoptic[is_instance] += _instance_numbers(offset, is_instance)
        yield Sample(
            f"view {number}",
            image,
            panoptic,
            {
                "semantic weight": _grey(weight / max(weight.max(), 1)),
                "centers": ((1 - heat) * image + heat * _HEAT).astype(np.uint8),
                "offsets": _directions(offset, is_instance),
            },
        )


def _instance_numbers(offset: np.ndarray, is_instance: np.ndarray):
    """Numbers from 1, one for each center that instance pixels point to."""
    places = np.argwhere(is_instance) + offset[is_instance].astype(int)
    _, numbers = np.unique(places, axis=0, return_inverse=True)
    return numbers.ravel() + 1


def _directions(offset: np.ndarray, is_instance: np.ndarray) -> np.ndarray:
    """Offsets [H, W, 2] as colours; black off instances."""
    length = np.hypot(offset[..., 0], offset[..., 1])
    angle = np.arctan2(offset[..., 0], offset[..., 1])
    hue = 0.5 + 0.5 * np.cos(angle[..., None] - _THIRDS)
    bright = 0.3 + 0.7 * length / max(length.max(), 1)
    colours = 255 * hue * (bright * is_instance)[..., None]
    return colours.astype(np.uint8)


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


def _pictures(
    sample: Sample, spec: DatasetSpec, width: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a row shows, by caption, and the map, in that width."""
    height = max(width * len(sample.panoptic) // sample.panoptic.shape[1], 1)

    def resized(pixels: np.ndarray, resampling: Image.Resampling):
        image = Image.fromarray(pixels)
        return np.asarray(image.resize((width, height), resampling))

    # Names are written on the small map, so that they can be read.
    panoptic = resized(sample.panoptic, Image.Resampling.NEAREST)
    coloured = visualization.colour_panoptic(panoptic, spec)
    named = visualization.name_segments(coloured, panoptic, spec)
    smooth = {"image": sample.image} | sample.more
    pictures = {
        caption: resized(picture, Image.Resampling.BILINEAR)
        for caption, picture in smooth.items()
    }
    image = {"image": pictures.pop("image")}
    return image | {"panoptic map": named} | pictures, panoptic


def show(values: flags.FlagValues) -> str:
    """Writes the picture; returns what it shows."""
    spec = dataset_spec(values.dataset)
    samples = (
        read_views(values, spec) if values.training else read_records(values)
    )
    rows, maps, lines, captions = [], [], [], ()
    for sample in samples:
        pictures, panoptic = _pictures(sample, spec, values.width)
        rows.append(list(pictures.values()))
        captions = tuple(pictures)
        maps.append(panoptic)
        lines.append(f"{sample.name}: {_described(sample.panoptic, spec)}")
    output = pathlib.Path(values.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet = visualization.picture_sheet(rows, captions, maps, spec)
    visualization.write_png(output, sheet)
    return "\n".join([*lines, f"{len(rows)} samples are in {output}"])


if __name__ == "__main__":
    run_tool(show, define_flags)
