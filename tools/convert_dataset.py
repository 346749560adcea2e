"""Converts a data set to TFRecords, or makes the synthetic one.

python tools/convert_dataset.py --dataset=shapes --output_dir=data/shapes
python tools/convert_dataset.py --dataset=coco_panoptic --split=val \
    --images_dir=coco/val2017 --panoptic_dir=coco/panoptic_val2017 \
    --panoptic_json=coco/annotations/panoptic_val2017.json \
    --output_dir=data/coco --shards=32 --workers=8
python tools/convert_dataset.py --dataset=cityscapes_panoptic --split=train \
    --data_dir=cityscapes --output_dir=data/cityscapes --workers=8
python tools/convert_dataset.py --dataset=own.yaml --split=train \
    --images_dir=own/images --labels_dir=own/labels --output_dir=data/own

--data_dir is a folder in the official layout of cityscapes_panoptic,
mapillary_panoptic, ade20k_panoptic, ade20k_semantic, coco_stuff, pascal_voc,
pascal_context or isaid; any part of it will do. Every data set, one's own
included, is also read in COCO's panoptic format, or from one-channel label
PNGs. Own data is described by a YAML file of classes:

    classes:
      - {id: 0, name: water, thing: no, original_id: 3, colour: [0, 90, 200]}

Files are named SPLIT-00000-of-00032.tfrecord and appear together once all are
written, with SPLIT_summary.json. The same command goes on where it was
interrupted. `digits` are the handwritten ones of scikit-learn, 32x32 pixels,
with the splits train and test. `shapes` has the splits train and val, and its
validation set also as pictures (val_images/) with COCO panoptic truth
(val_panoptic.json, val_panoptic/). Bad arguments and files end in one line and
exit status 2 (`--verbosity=1` adds the traceback); `--skip_bad` leaves bad
images out and tells which.
"""

import dataclasses
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
    conversion,
    convert_digits,
    convert_shapes,
    shards,
)
from axial_deeplab.data.dataset_specs import DATASET_SPECS, dataset_spec
from axial_deeplab.data.label_files import png_bytes
from axial_deeplab.data.sources import SourceFiles, open_source
from axial_deeplab.evaluation import result_files

_DEFAULT_SHARDS = 4


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_string(
        "dataset",
        None,
        f"What to convert: digits, {', '.join(DATASET_SPECS)} or the path of a "
        "YAML file.",
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
        ("data_dir", None, "Folder of the data set in its official layout."),
        ("images_dir", None, "Folder of the images."),
        ("panoptic_json", None, "JSON file of the segments."),
        ("panoptic_dir", None, "Folder of the id PNGs."),
        ("labels_dir", None, "Folder of one-channel label PNGs."),
        ("split", None, "Part to convert, and start of the file names."),
    )
    _define(
        functools.partial(flags.DEFINE_integer, lower_bound=1),
        values,
        ("train_scenes", 2000, "shapes: how many scenes to train on."),
        ("val_scenes", 200, "shapes: how many scenes to validate on."),
        ("size", 97, "shapes: height and width of a scene in pixels."),
        ("shards", None, f"Files a split; default {_DEFAULT_SHARDS} or fewer."),
        ("workers", 1, "Processes; each writes one file at a time."),
        ("max_images", None, "Converts that many images; default: all."),
    )
    flags.DEFINE_bool(
        "skip_bad",
        False,
        "Leaves out images whose files are missing or damaged.",
        flag_values=values,
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
            content = png_bytes(image)
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


def convert_annotated(values: flags.FlagValues) -> str:
    """Converts one split of a data set on disk; returns what was written."""
    if not values.split:
        raise ValueError(f"--dataset={values.dataset} needs --split.")
    if set(values.split) & set("/\\*?[]"):
        raise ValueError(f"--split={values.split} cannot start a file name.")
    names = [field.name for field in dataclasses.fields(SourceFiles)]
    files = SourceFiles(**{name: getattr(values, name) for name in names})
    settings = conversion.ConversionSettings(
        pathlib.Path(values.output_dir),
        values.split,
        shards=values.shards,
        workers=values.workers,
        max_images=values.max_images,
        skip_bad=values.skip_bad,
    )
    source = open_source(values.dataset, files)
    with progress.ProgressBar(None, values.split, "images") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        summary = conversion.convert_images(source, settings, show)
    return conversion.summary_text(summary, settings.output_dir)


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
    return convert_annotated(values)


if __name__ == "__main__":
    run_tool(convert, define_flags)
