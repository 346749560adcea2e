r"""Segments photographs with an exported model.

python tools/predict.py --saved_model=runs/shapes/saved_model \
    --images=photographs --output_dir=found

--images is a folder (its JPEG and PNG files), one file or a quoted pattern
such as "day1/*.jpg". Pixels are taken as stored: an EXIF rotation is not
applied. Writes OUTPUT_DIR/predictions.json with predictions/NAME.png
(COCO-panoptic format: ids and segments) and overlays/NAME.png. They appear
together at the end, replacing those of an earlier run; bad arguments and
files end in one line and exit status 2 (`--verbosity=1` adds the traceback)
and leave nothing.
"""

import contextlib
import glob
import itertools
import os
import pathlib
import tempfile
from collections.abc import Iterator

# Before TensorFlow is imported: its remarks on missing GPUs would bury ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import flags

from axial_deeplab import command_line, keys, visualization
from axial_deeplab.data.photographs import Photograph, open_photograph
from axial_deeplab.evaluation import result_files
from axial_deeplab.export import read_metadata
from axial_deeplab.progress import ProgressBar

_SUFFIXES = (".jpg", ".jpeg", ".png")


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    for name, text in (
        ("saved_model", "Folder of a model that tools/export.py wrote."),
        ("images", "Folder, file or quoted pattern of JPEG and PNG files."),
        ("output_dir", "Folder to write to; made where it is missing."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)
    flags.DEFINE_integer(
        "batch_size",
        1,
        "Most images of one size, in a row, to run at a time.",
        lower_bound=1,
        flag_values=values,
    )


def predict(
    saved_model: str, images: str, output_dir: str, batch_size: int = 1
) -> pathlib.Path:
    """Does what the module says; returns the path of the JSON file."""
    spec = read_metadata(saved_model).dataset
    photographs = [open_photograph(path) for path in find_images(images)]
    _check_image_ids(photographs)
    # The signature holds the model only weakly: keep both.
    model = tf.saved_model.load(saved_model)
    serve = model.signatures["serving_default"]
    with (
        _appear_whole(pathlib.Path(output_dir)) as folder,
        result_files.PanopticResultWriter(
            folder, spec, name="predictions"
        ) as writer,
        ProgressBar(len(photographs), "predicting", "images") as bar,
    ):
        overlays = folder / "overlays"
        overlays.mkdir()
        for batch in _batches(photographs, batch_size):
            pixels = np.stack([one.pixels() for one in batch])
            found = serve(images=tf.constant(pixels))
            maps = found[keys.PANOPTIC].numpy()
            heats = found[keys.INSTANCE_SCORE].numpy()
            for one, image, panoptic, heat in zip(
                batch, pixels, maps, heats, strict=True
            ):
                scores = result_files.segment_scores(panoptic, heat, spec)
                writer.add(one.image_id, panoptic, scores)
                picture = visualization.overlay(image, panoptic, spec)
                visualization.write_png(
                    overlays / f"{one.image_id}.png", picture
                )
                bar.update()
    return pathlib.Path(output_dir) / writer.json_file.name


def find_images(images: str) -> list[pathlib.Path]:
    """Sorted files of a folder, a file or a pattern; never none."""
    path = pathlib.Path(images)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [
            one
            for one in sorted(path.iterdir())
            if one.suffix.lower() in _SUFFIXES and one.name[0] != "."
        ]
        missing = f"the folder {images} holds no {', '.join(_SUFFIXES)} file"
    else:
        names = sorted(glob.glob(images, recursive=True))
        found = [pathlib.Path(one) for one in names if os.path.isfile(one)]
        missing = f"there is no folder or file {images}, and nothing matches it"
    if not found:
        raise FileNotFoundError(missing)
    return found


def _check_image_ids(photographs: list[Photograph]) -> None:
    """Refuses names that would be written to one entry, like 7 and 007."""
    paths = {}
    for one in photographs:
        number = one.image_id.isdecimal()
        key = int(one.image_id) if number else one.image_id
        if key in paths:
            raise ValueError(
                f"{paths[key]} and {one.path} would both be the image {key}; "
                "rename one."
            )
        paths[key] = one.path


def _batches(
    photographs: list[Photograph], batch_size: int
) -> Iterator[list[Photograph]]:
    """Neighbours of one size, at most `batch_size` at a time."""
    for _, same in itertools.groupby(photographs, lambda one: one.size_px):
        while batch := list(itertools.islice(same, batch_size)):
            yield batch


@contextlib.contextmanager
def _appear_whole(output_dir: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder whose entries move to `output_dir` if nothing was raised."""
    if output_dir.exists() and not output_dir.is_dir():
        raise NotADirectoryError(f"--output_dir: {output_dir} is no folder.")
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=output_dir.parent, prefix=f".{output_dir.name}.", suffix=".partial"
    ) as partial:
        new, old = pathlib.Path(partial, "new"), pathlib.Path(partial, "old")
        new.mkdir()
        old.mkdir()
        yield new
        output_dir.mkdir(exist_ok=True)
        # Files last: with its JSON a result is complete.
        for entry in sorted(new.iterdir(), key=pathlib.Path.is_file):
            target = output_dir / entry.name
            if target.exists():
                os.replace(target, old / entry.name)
            os.replace(entry, target)


def work(values: flags.FlagValues) -> str:
    """What the flags ask for; returns the last line to print."""
    json_file = predict(
        values.saved_model,
        values.images,
        values.output_dir,
        values.batch_size,
    )
    return f"Wrote {json_file}"


if __name__ == "__main__":
    command_line.run_tool(work, define_flags)
