r"""Segments photographs with an exported model.

python tools/predict.py --saved_model=runs/shapes/saved_model \
    --images=photographs --output_dir=found

--images is a folder (its JPEG and PNG files), one file, a quoted pattern such
as "day1/*.jpg", or a text file (.txt) with a path a line; give it again for
more. Photographs are turned upright as their EXIF data says; --noupright takes
the pixels as stored, as the annotations of data sets do. Writes
OUTPUT_DIR/predictions.json with predictions/NAME.png (COCO-panoptic format:
ids and segments; of a semantic model a segment for each class),
labels/NAME.png (a class for each pixel, as tools/evaluate.py --metric=semantic
takes them) and overlays/NAME.png, with class names. They appear together
at the end, replacing those of an earlier run; --resume goes on from an
interrupted one, or adds to a finished one.

A picture that cannot be used is named and left out; the exit status is then 1.
Bad arguments end in one line and exit status 2 (`--verbosity=1` adds the
traceback).
"""

import dataclasses
import itertools
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence

# Before TensorFlow is imported: its remarks on missing GPUs would bury ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import flags

from axial_deeplab import command_line, export, keys, visualization
from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.data.photographs import (
    Photograph,
    check_image_ids,
    find_images,
    open_photograph,
)
from axial_deeplab.evaluation import png_files
from axial_deeplab.evaluation.resumable_files import ResumableResults
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.progress import ProgressBar

# As far as the model gives them.
_WANTED = (
    keys.PANOPTIC,
    keys.SEMANTIC,
    keys.INSTANCE_IDS,
    keys.INSTANCE_SCORES,
)

Found = dict[str, np.ndarray]
Segment = Callable[[tf.Tensor], dict[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Options:
    """How to predict.

    Args:
      batch_size: most images of one size, in a row, to run at a time.
      multi_scale: what to average over; None: what the export does.
      resume: keep what an earlier run of the same kind has found.
      upright: turn photographs as their EXIF data says.
    """

    batch_size: int = 1
    multi_scale: MultiScale | None = None
    resume: bool = False
    upright: bool = True


@dataclasses.dataclass
class Skipped:
    """Pictures that could not be used, each named as it is met."""

    count: int = 0

    def add(self, reason: str) -> None:
        """Counts a picture and says why, in one line."""
        self.count += 1
        reason = " ".join(command_line.unwrapped(reason).split())
        print(f"predict.py: skipped: {reason}", file=sys.stderr)


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    for name, text in (
        ("saved_model", "Folder of a model that tools/export.py wrote."),
        ("output_dir", "Folder to write to; made where it is missing."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)
    flags.DEFINE_multi_string(
        "images",
        None,
        "Folder, file or quoted pattern of JPEG and PNG files, or a .txt file "
        "of paths; may be repeated.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_integer(
        "batch_size",
        1,
        "Most images of one size, in a row, to run at a time.",
        lower_bound=1,
        flag_values=values,
    )
    for name, default, text in (
        ("resume", False, "Go on from an interrupted or finished run."),
        ("upright", True, "Turn photographs as their EXIF data says."),
    ):
        flags.DEFINE_bool(name, default, text, flag_values=values)
    command_line.define_scale_flags(values)


def predict(
    saved_model: str,
    images: str | Sequence[str],
    output_dir: str,
    options: Options | None = None,
) -> tuple[pathlib.Path, int]:
    """Does what the module says.

    Returns:
      The path of the JSON file, and how many pictures were left out.
    """
    options = options or Options()
    spec = export.read_metadata(saved_model).dataset
    names = [images] if isinstance(images, str) else images
    paths = [path for name in names for path in find_images(name)]
    check_image_ids(paths)
    model = export.load(saved_model)
    segment = model.predict
    if options.multi_scale is not None:
        segment = model.averaged(options.multi_scale)
    skipped = Skipped()
    with (
        ResumableResults(
            output_dir, spec, _made_by(saved_model, options), options.resume
        ) as results,
        ProgressBar(len(paths), "predicting", "images") as bar,
    ):
        folders = {
            name: results.folder / name for name in ("overlays", "labels")
        }
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        new = [path for path in paths if path.stem not in results.done]
        bar.update(len(paths) - len(new))
        photographs = _opened(new, options.upright, skipped, bar)
        for batch in _batches(photographs, options.batch_size):
            pixels = _decoded(batch, skipped)
            for one, found in _segmented(segment, pixels, skipped):
                panoptic = _panoptic(found, spec)
                overlay = _overlay(pixels[one], panoptic, spec)
                name = f"{one.image_id}.png"
                visualization.write_png(folders["overlays"] / name, overlay)
                png_files.write_label_png(
                    folders["labels"] / name, found[keys.SEMANTIC]
                )
                results.add(one.image_id, panoptic, _scores(found))
            bar.update(len(batch))
    return pathlib.Path(output_dir) / "predictions.json", skipped.count


def _made_by(saved_model: str, options: Options) -> dict[str, object]:
    """What the results depend on."""
    graph = pathlib.Path(saved_model, "saved_model.pb")
    multi_scale = options.multi_scale
    return {
        "saved_model": str(graph.parent.resolve()),
        "written_ns": graph.stat().st_mtime_ns,
        "multi_scale": multi_scale and dataclasses.asdict(multi_scale),
        "upright": options.upright,
    }


def _opened(
    paths: list[pathlib.Path], upright: bool, skipped: Skipped, bar: ProgressBar
) -> Iterator[Photograph]:
    """The usable ones."""
    for path in paths:
        try:
            photograph = open_photograph(path, upright)
        except (OSError, ValueError) as error:
            skipped.add(f"{error}")
            bar.update()
        else:
            yield photograph


def _decoded(
    batch: list[Photograph], skipped: Skipped
) -> dict[Photograph, np.ndarray]:
    pixels = {}
    for one in batch:
        try:
            pixels[one] = one.pixels()
        except (OSError, ValueError) as error:
            skipped.add(f"{error}")
    return pixels


def _segmented(
    segment: Segment, pixels: dict[Photograph, np.ndarray], skipped: Skipped
) -> Iterator[tuple[Photograph, Found]]:
    """Each photograph with what is found in it."""
    if not pixels:
        return
    images = tf.constant(np.stack(list(pixels.values())))
    try:
        maps = segment(images)
        found = {name: maps[name].numpy() for name in _WANTED if name in maps}
    except tf.errors.OpError as error:
        # Too large for the model or the memory: perhaps fewer are not.
        if len(pixels) == 1:
            reason = command_line.unwrapped(error.message)
            skipped.add(f"{next(iter(pixels)).path}: {reason}")
            return
        for one, image in pixels.items():
            yield from _segmented(segment, {one: image}, skipped)
        return
    for index, one in enumerate(pixels):
        yield one, {name: values[index] for name, values in found.items()}


def _panoptic(found: Found, spec: DatasetSpec) -> np.ndarray:
    """The panoptic map; of a semantic model one segment for each class."""
    if keys.PANOPTIC in found:
        return found[keys.PANOPTIC]
    return found[keys.SEMANTIC] * spec.label_divisor


def _scores(found: Found) -> dict[int, float]:
    """Scores of the instances of an image by panoptic id."""
    if keys.INSTANCE_IDS not in found:
        return {}
    ids = found[keys.INSTANCE_IDS].tolist()
    scores = found[keys.INSTANCE_SCORES].tolist()
    return {
        one: score for one, score in zip(ids, scores, strict=True) if one >= 0
    }


def _overlay(
    image: np.ndarray, panoptic: np.ndarray, spec: DatasetSpec
) -> np.ndarray:
    picture = visualization.overlay(image, panoptic, spec)
    return visualization.name_segments(picture, panoptic, spec)


def _batches(
    photographs: Iterator[Photograph], batch_size: int
) -> Iterator[list[Photograph]]:
    """Neighbours of one size, at most `batch_size` at a time."""
    for _, same in itertools.groupby(photographs, lambda one: one.size_px):
        while batch := list(itertools.islice(same, batch_size)):
            yield batch


def work(values: flags.FlagValues) -> str:
    """What the flags ask for; returns the last line to print."""
    scales = command_line.scale_options(values)
    options = Options(
        values.batch_size,
        MultiScale(**scales) if scales else None,
        values.resume,
        values.upright,
    )
    json_file, skipped = predict(
        values.saved_model, values.images, values.output_dir, options
    )
    if skipped:
        command_line.refuse(
            f"wrote {json_file}, but left out {skipped} of the pictures, named "
            "above",
            status=1,
        )
    return f"Wrote {json_file}"


if __name__ == "__main__":
    command_line.run_tool(work, define_flags)
