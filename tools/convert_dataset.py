"""Converts a data set to TFRecords, or makes the synthetic one.

python tools/convert_dataset.py --dataset=shapes --output_dir=data/shapes
python tools/convert_dataset.py --dataset=coco_panoptic --split=val \
    --images_dir=coco/val2017 --panoptic_dir=coco/panoptic_val2017 \
    --panoptic_json=coco/annotations/panoptic_val2017.json \
    --output_dir=data/coco --shards=32 --workers=8

python tools/convert_dataset.py --dataset=digits --output_dir=runs/digits/data

Files are named SPLIT-00000-of-00032.tfrecord. `digits` are the handwritten ones
of scikit-learn, 32x32 pixels, with the splits train and test. `shapes` has the
splits train and val, and its validation set also as pictures (val_images/) with
COCO panoptic truth (val_panoptic.json, val_panoptic/). Bad arguments and files
end in one line and exit status 2 (`--verbosity=1` adds the traceback), and
nothing is written.
"""

import functools
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

# Before TensorFlow is imported: its remarks on missing GPUs would bury ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags

from axial_deeplab import progress
from axial_deeplab.command_line import run_tool
from axial_deeplab.data import (
    convert_coco,
    convert_digits,
    convert_shapes,
    shards,
)
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.evaluation import result_files

_DEFAULT_SHARDS = 4


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_enum(
        "dataset",
        None,
        ["shapes", "digits", "coco_panoptic"],
        "What to convert.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder for the records.",
        flag_values=values,
        required=True,
    )
    _define(
        flags.DEFINE_string,
        values,
        ("images_dir", None, "coco_panoptic: folder of the images."),
        ("panoptic_json", None, "coco_panoptic: JSON file of the segments."),
        ("panoptic_dir", None, "coco_panoptic: folder of the id PNGs."),
        ("split", None, "coco_panoptic: start of the file names, as `val`."),
    )
    _define(
        functools.partial(flags.DEFINE_integer, lower_bound=1),
        values,
        ("train_scenes", 2000, "shapes: how many scenes to train on."),
        ("val_scenes", 200, "shapes: how many scenes to validate on."),
        ("size", 97, "shapes: height and width of a scene in pixels."),
        ("shards", None, f"Files a split; default {_DEFAULT_SHARDS} or fewer."),
        ("workers", 1, "Processes; each writes one file at a time."),
    )
    flags.DEFINE_integer(
        "seed",
        0,
        "shapes: other scenes for another seed.",
        lower_bound=0,
        flag_values=values,
    )


def _define(define, values: flags.FlagValues, *rows) -> None:
    for name, default, text in rows:
        define(name, default, text, flag_values=values)


def convert_synthetic(values: flags.FlagValues) -> str:
    """Renders both splits of `shapes`; returns what was written."""
    output_dir = pathlib.Path(values.output_dir)
    counts = {"train": values.train_scenes, "val": values.val_scenes}
    size_px = (values.size, values.size)
    # Before the work, not after it: bad sizes and files of other runs.
    convert_shapes.render_split_scene(values.seed, "val", 0, size_px)
    names = {
        f"{convert_shapes.scene_id('val', index)}.png"
        for index in range(values.val_scenes)
    }
    for folder in ("val_images", "val_panoptic"):
        shards.check_no_leftovers(output_dir / folder, "*.png", names)
    for split, count in counts.items():
        _shard_names(values, split, count)
    with shards.staging_folder(output_dir, "shapes") as staging:
        for split, count in counts.items():
            record = functools.partial(
                convert_shapes.shapes_record,
                seed=values.seed,
                split=split,
                size_px=size_px,
            )
            _write(values, staging, split, range(count), record)
        _write_validation_truth(values, staging, size_px)
    return (
        f"{values.train_scenes} training and {values.val_scenes} validation "
        f"scenes are in {output_dir}"
    )


def _write_validation_truth(values, folder, size_px) -> None:
    images = folder / "val_images"
    images.mkdir()
    spec = dataset_spec("shapes")
    with result_files.PanopticResultWriter(
        folder, spec, "val_panoptic"
    ) as truth:
        for index in progress.track(
            range(values.val_scenes), values.val_scenes, "val truth", "scenes"
        ):
            image, panoptic = convert_shapes.render_split_scene(
                values.seed, "val", index, size_px
            )
            name = convert_shapes.scene_id("val", index)
            content = convert_shapes.png_bytes(image)
            (images / f"{name}.png").write_bytes(content)
            truth.add(name, panoptic)


def convert_digit_images(values: flags.FlagValues) -> str:
    """Converts both splits of `digits`; returns what was written."""
    from sklearn.datasets import load_digits  # takes seconds to import

    digits, output_dir = load_digits(), pathlib.Path(values.output_dir)
    splits = convert_digits.split_digits(len(digits.target))
    for split, indices in splits.items():
        _shard_names(values, split, len(indices))
    record = functools.partial(
        convert_digits.digit_record, digits=digits.images, labels=digits.target
    )
    with shards.staging_folder(output_dir, "digits") as staging:
        for split, indices in splits.items():
            _write(values, staging, split, indices, record)
    train, test = (len(indices) for indices in splits.values())
    return f"{train} training and {test} test digits are in {output_dir}"


def convert_panoptic(values: flags.FlagValues) -> str:
    """Converts one split in COCO's format; returns what was written."""
    for name in ("images_dir", "panoptic_json", "panoptic_dir", "split"):
        if not getattr(values, name):
            raise ValueError(f"--dataset={values.dataset} needs --{name}.")
    if set(values.split) & set("/\\*?[]"):
        raise ValueError(f"--split={values.split} cannot start a file name.")
    output_dir = pathlib.Path(values.output_dir)
    items = convert_coco.list_panoptic_items(
        pathlib.Path(values.images_dir),
        pathlib.Path(values.panoptic_json),
        pathlib.Path(values.panoptic_dir),
    )
    _shard_names(values, values.split, len(items))
    record = functools.partial(
        convert_coco.panoptic_record, spec=dataset_spec(values.dataset)
    )
    with shards.staging_folder(output_dir, values.split) as staging:
        _write(values, staging, values.split, items, record)
    return f"{len(items)} images are in {output_dir}"


def _shard_names(values: flags.FlagValues, split: str, count: int) -> list[str]:
    """Names of the files of a split, unless they would mix with old ones."""
    number = values.shards or min(_DEFAULT_SHARDS, count)
    names = shards.shard_names(split, number)
    shards.check_no_leftovers(
        pathlib.Path(values.output_dir), f"{split}-*-of-*.tfrecord", names
    )
    return names


def _write(
    values: flags.FlagValues,
    folder: pathlib.Path,
    split: str,
    items: Sequence[Any],
    record: Callable[[Any], bytes],
) -> None:
    names = _shard_names(values, split, len(items))
    paths = [folder / name for name in names]
    with progress.ProgressBar(len(items), split, "images") as bar:
        for done in shards.write_shards(paths, items, record, values.workers):
            bar.update(done)


def convert(values: flags.FlagValues) -> str:
    """Converts what the flags name; returns what was written."""
    if values.dataset == "shapes":
        return convert_synthetic(values)
    if values.dataset == "digits":
        return convert_digit_images(values)
    return convert_panoptic(values)


if __name__ == "__main__":
    run_tool(convert, define_flags)
