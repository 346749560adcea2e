"""Measures the input pipeline on one core, stage by stage.

python tools/benchmark_pipeline.py
python tools/benchmark_pipeline.py --recipe=coco --images=50 --json=speed.json

Recipes are those of training: `cityscapes` cuts 1025x2049 from 1024x2048 PNGs
scaled by 0.5 to 2, `coco` 641x641 from 480x640 JPEGs scaled by 0.5 to 1.5, both
with the simple policy of colours. Pictures are drawn noise with 100 objects.
TensorFlow gets one thread; times are CPU time of the process, so that other
programs on the machine do not count. A stage is measured alone, and the
pipeline as a whole.
"""

import dataclasses
import json
import os
import pathlib
import tempfile
import time

# Before TensorFlow is imported: its remarks on missing GPUs would bury ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io

import numpy as np
import tensorflow as tf
from absl import flags
from PIL import Image

from axial_deeplab import progress
from axial_deeplab.command_line import run_tool
from axial_deeplab.data import augment, tfrecord_schema
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec
from axial_deeplab.data.panoptic_targets import (
    TargetSettings,
    panoptic_targets,
)
from axial_deeplab.data.pipeline import PipelineConfig, make_dataset

_OBJECTS = 100


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is read and how; sizes are (height, width)."""

    dataset: str
    image_format: str
    image_px: tuple[int, int]
    crop_px: tuple[int, int]
    long_side_px: int | None
    augmentation: Augmentation


RECIPES = {
    "cityscapes": Recipe(
        "cityscapes_panoptic",
        "png",
        (1024, 2048),
        (1025, 2049),
        None,
        Augmentation((0.5, 2.0), colour="simple_policy"),
    ),
    "coco": Recipe(
        "coco_panoptic",
        "jpeg",
        (480, 640),
        (641, 641),
        641,
        Augmentation((0.5, 1.5), colour="simple_policy"),
    ),
}


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_enum(
        "recipe",
        "all",
        ["all", *RECIPES],
        "What to measure.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "images",
        20,
        "How many images each measurement takes.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_string(
        "json", None, "File for the numbers.", flag_values=values
    )


def draw_example(
    size_px: tuple[int, int], spec: DatasetSpec, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Noise, uint8 [H, W, 3], and 100 ellipses on stuff, int32 [H, W]."""
    rng = np.random.default_rng(seed)
    height, width = size_px
    small = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    image = np.asarray(Image.fromarray(small).resize((width, height)))
    stuff = np.array(spec.stuff_ids)[np.arange(height) * 4 // height]
    panoptic = np.repeat(stuff[:, None], width, 1) * spec.label_divisor
    for instance in range(1, _OBJECTS + 1):
        radius = rng.integers(height // 40, height // 10, 2)
        y, x = rng.integers(0, height), rng.integers(0, width)
        top, left = max(y - radius[0], 0), max(x - radius[1], 0)
        rows, columns = np.ogrid[top : y + radius[0], left : x + radius[1]]
        inside = ((rows - y) / radius[0]) ** 2 + (
            (columns - x) / radius[1]
        ) ** 2 < 1
        part = panoptic[top : y + radius[0], left : x + radius[1]]
        inside = inside[: part.shape[0], : part.shape[1]]
        part[inside] = spec.thing_ids[0] * spec.label_divisor + instance
    return image, panoptic.astype(np.int32)


def _record(recipe: Recipe, spec: DatasetSpec, seed: int) -> bytes:
    image, panoptic = draw_example(recipe.image_px, spec, seed)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=recipe.image_format)
    return tfrecord_schema.encode_example(
        stream.getvalue(), recipe.image_format, f"{seed}.x", panoptic
    )


def measure_stages(
    recipe: Recipe, records: list[bytes]
) -> dict[str, list[float]]:
    """Milliseconds of every stage for every record, after one to warm up."""
    spec = dataset_spec(recipe.dataset)
    settings = TargetSettings.for_dataset(
        spec, small_instance_area_px=4096, small_instance_weight=3.0
    )

    # Any size, so that no time goes into tracing again.
    pixels = [None, None, 3]
    labels = tf.TensorSpec([None, None], tf.int32)
    some_seed = tf.TensorSpec([2], tf.int32)

    @tf.function(
        input_signature=[tf.TensorSpec(pixels, tf.uint8), labels, some_seed]
    )
    def resize(image, panoptic, seed):
        size = tf.shape(panoptic)
        if recipe.long_side_px:
            size = augment.long_side_size(size, recipe.long_side_px)
        size = augment.random_size(size, recipe.augmentation, seed)
        return augment.resize_pair(image, panoptic, size)

    @tf.function(input_signature=[tf.TensorSpec(pixels, tf.float32), some_seed])
    def colour(image, seed):
        return augment.random_colour(image, recipe.augmentation, seed)

    @tf.function(
        input_signature=[tf.TensorSpec(pixels, tf.uint8), labels, some_seed]
    )
    def crop(image, panoptic, seed):
        pair = augment.pad_and_crop(
            image, panoptic, recipe.crop_px, spec.void_id, seed
        )
        return augment.random_flip(*pair, seed)

    decode = tf.function(tfrecord_schema.decode_example)
    targets = tf.function(lambda panoptic: panoptic_targets(panoptic, settings))
    times: dict[str, list[float]] = {}

    def timed(stage, work, *arguments):
        start = time.process_time()
        result = work(*arguments)
        elapsed = 1000 * (time.process_time() - start)
        times.setdefault(stage, []).append(elapsed)
        return result

    for index, record in enumerate([records[0], *records]):
        seed = tf.constant([index, 7])
        example = timed("decode", decode, tf.constant(record))
        pair = example["image"], example["panoptic"]
        image, panoptic = timed("resize", resize, *pair, seed)
        image = timed("colour", colour, image, seed)
        _, panoptic = timed("pad, crop, flip", crop, image, panoptic, seed)
        timed("targets", targets, panoptic)
    return {stage: values[1:] for stage, values in times.items()}


def measure_pipeline(recipe: Recipe, path: pathlib.Path, images: int) -> float:
    """Milliseconds an image of the whole pipeline, with one thread."""
    config = PipelineConfig(
        str(path),
        crop_size_px=recipe.crop_px,
        batch_size=1,
        resize_long_side_px=recipe.long_side_px,
        augmentation=recipe.augmentation,
        seed=1,
        shuffle_buffer=4,
        repeat=True,
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    dataset = make_dataset(config, dataset_spec(recipe.dataset))
    iterator = iter(dataset.with_options(options))
    next(iterator)
    start = time.process_time()
    for _ in range(images):
        next(iterator)
    return 1000 * (time.process_time() - start) / images


def measure(recipe: Recipe, images: int) -> dict[str, object]:
    """Mean milliseconds of stages and of the pipeline."""
    spec = dataset_spec(recipe.dataset)
    records = [
        _record(recipe, spec, seed)
        for seed in progress.track(range(images), images, "drawing", "images")
    ]
    stages = measure_stages(recipe, records)
    # As an argument: of a constant the targets would be constants, too.
    panoptic = tf.constant(draw_example(recipe.crop_px, spec, 0)[1])
    settings = TargetSettings.for_dataset(spec)
    targets = tf.function(lambda panoptic: panoptic_targets(panoptic, settings))
    targets(panoptic)
    start = time.process_time()
    for _ in range(images):
        targets(panoptic)
    alone = 1000 * (time.process_time() - start) / images
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "train-00000-of-00001.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
        whole = measure_pipeline(recipe, path, images)
    return {
        "stages_ms": {k: float(np.mean(v)) for k, v in stages.items()},
        "pipeline_ms": whole,
        f"targets_of_{_OBJECTS}_instances_ms": alone,
    }


def _table(name: str, recipe: Recipe, result: dict) -> str:
    total = sum(result["stages_ms"].values())
    height, width = recipe.crop_px
    lines = [f"{name}, crops {height}x{width}, one core"]
    for stage, ms in result["stages_ms"].items():
        lines.append(f"  {stage:<18}{ms:9.1f} ms {100 * ms / total:5.1f} %")
    pipeline = result["pipeline_ms"]
    lines.append(f"  {'stages together':<18}{total:9.1f} ms")
    lines.append(
        f"  {'pipeline':<18}{pipeline:9.1f} ms, "
        f"{1000 / pipeline:.2f} images/s per core"
    )
    alone = result[f"targets_of_{_OBJECTS}_instances_ms"]
    lines.append(f"  targets of {_OBJECTS} instances in view: {alone:.1f} ms")
    return "\n".join(lines)


def benchmark(values: flags.FlagValues) -> str:
    """Measures what the flags name; returns a table."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    names = RECIPES if values.recipe == "all" else [values.recipe]
    results = {name: measure(RECIPES[name], values.images) for name in names}
    if values.json:
        path = pathlib.Path(values.json)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(results, indent=1))
        os.replace(unfinished, path)
    return "\n".join(_table(n, RECIPES[n], r) for n, r in results.items())


if __name__ == "__main__":
    run_tool(benchmark, define_flags)
