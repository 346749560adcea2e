"""Times panoptic quality beside the formula of panopticapi.

python tools/benchmark_evaluation.py

The rival counts as panopticapi does, with `np.unique` of both maps and of their
joint ids, for which all pixels are sorted. Both run in this process, taking
turns, on the same street-like maps of some 30 segments with void, and must
give the same counts. Prints the medians in milliseconds an image, and how many
times faster ours is: of maps in memory, with decoding of the two PNGs, and with
decoding by two threads, as `evaluate.py` does it, beside the rival in its one.
Most of the decoding is Pillow's in both. Leave the machine alone meanwhile.
"""

import collections
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

# No TensorFlow runs here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from absl import flags  # noqa: E402
from PIL import Image  # noqa: E402

from axial_deeplab.command_line import run_tool  # noqa: E402
from axial_deeplab.evaluation import PanopticQuality  # noqa: E402
from axial_deeplab.evaluation.image_pool import map_images  # noqa: E402
from axial_deeplab.evaluation.png_files import (  # noqa: E402
    read_id_png,
    write_id_png,
)

_SIZES = ((480, 640), (1024, 2048))
_CATEGORIES = [{"id": key, "isthing": key % 2} for key in range(10)]
# The rivals' bound of the ids.
_OFFSET = 2**24
# Images in a turn.
_TURN = 8


class Scene(NamedTuple):
    """Truth and prediction of one image, as arrays and as PNG files."""

    truth: np.ndarray
    truth_segments: list[dict[str, Any]]
    predicted: np.ndarray
    predicted_segments: list[dict[str, Any]]
    files: tuple[pathlib.Path, pathlib.Path]


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_integer(
        "repeats", 15, "Runs of each side.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer(
        "segments", 30, "Segments a map.", lower_bound=1, flag_values=values
    )


def make_scene(
    size: tuple[int, int], segments: int, folder: pathlib.Path
) -> Scene:
    """Ragged Voronoi segments with void; the prediction is a moved copy."""
    random = np.random.default_rng(segments)
    height, width = size
    y, x = np.mgrid[:height, :width]
    # Ragged borders: where a pixel looks for its centre sways along the axes.
    y = y + 6 * np.sin(x / 9)
    x = x + 6 * np.sin(y / 7)
    centres = random.random((segments, 2)) * size
    nearest = np.zeros(size, np.int64)
    best = np.full(size, np.inf)
    for index, (cy, cx) in enumerate(centres):
        distance = (y - cy) ** 2 + (x - cx) ** 2
        closer = distance < best
        nearest[closer], best[closer] = index, distance[closer]
    ids = random.choice(_OFFSET - 1, segments, replace=False) + 1
    truth = ids[nearest]
    for _ in range(4):
        top, left = random.integers(0, (height - 30, width - 40))
        truth[top : top + 30, left : left + 40] = 0
    predicted = np.roll(truth, (2, 3), (0, 1))
    files = folder / f"truth{height}.png", folder / f"found{height}.png"
    for path, values in zip(files, (truth, predicted), strict=True):
        write_id_png(path, values)
    listed = [_segments(values) for values in (truth, predicted)]
    maps = (truth.astype(np.uint32), predicted.astype(np.uint32))
    return Scene(maps[0], listed[0], maps[1], listed[1], files)


def _segments(ids: np.ndarray) -> list[dict[str, Any]]:
    values, areas = np.unique(ids, return_counts=True)
    return [
        {"id": key, "category_id": key % 10, "area": area, "iscrowd": 0}
        for key, area in zip(values.tolist(), areas.tolist(), strict=True)
        if key
    ]


def rival_counts(scene: Scene) -> dict[int, list[float]]:
    """[IoU, TP, FP, FN] by category: the formula of panopticapi."""
    counts = collections.defaultdict(lambda: [0.0, 0, 0, 0])
    truths = {one["id"]: dict(one) for one in scene.truth_segments}
    founds = {one["id"]: dict(one) for one in scene.predicted_segments}
    for ids, listed in ((scene.truth, truths), (scene.predicted, founds)):
        values, areas = np.unique(ids, return_counts=True)
        for key, area in zip(values.tolist(), areas.tolist(), strict=True):
            if key:
                listed[key]["area"] = area
    joint = scene.truth.astype(np.uint64) * np.uint64(_OFFSET)
    joint += scene.predicted.astype(np.uint64)
    keys, pixels = np.unique(joint, return_counts=True)
    shared = {
        (int(key) // _OFFSET, int(key) % _OFFSET): int(number)
        for key, number in zip(keys, pixels, strict=True)
    }
    matched: set = set()
    for (truth_id, found_id), number in shared.items():
        if truth_id not in truths or found_id not in founds:
            continue
        truth, found = truths[truth_id], founds[found_id]
        if truth["category_id"] != found["category_id"]:
            continue
        union = truth["area"] + found["area"] - number
        iou = number / (union - shared.get((0, found_id), 0))
        if iou > 0.5:
            counts[truth["category_id"]][0] += iou
            counts[truth["category_id"]][1] += 1
            matched |= {("truth", truth_id), ("found", found_id)}
    for key, truth in truths.items():
        counts[truth["category_id"]][3] += ("truth", key) not in matched
    for key, found in founds.items():
        excused = shared.get((0, key), 0) / found["area"] > 0.5
        is_false = ("found", key) not in matched and not excused
        counts[found["category_id"]][2] += is_false
    return counts


def our_counts(scene: Scene) -> dict[int, list[float]]:
    """The same by `PanopticQuality`."""
    quality = PanopticQuality(_CATEGORIES)
    quality.update(*scene[:4])
    return {
        key: [one.iou, one.tp, one.fp, one.fn]
        for key, one in quality.counts().items()
    }


def _rival_with_decoding(scene: Scene) -> dict[int, list[float]]:
    maps = []
    for path in scene.files:
        rgb = np.array(Image.open(path), np.uint32)
        maps.append(rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2])
    return rival_counts(scene._replace(truth=maps[0], predicted=maps[1]))


def _ours_with_decoding(scene: Scene) -> dict[int, list[float]]:
    truth, predicted = map(read_id_png, scene.files)
    return our_counts(scene._replace(truth=truth, predicted=predicted))


class Case(NamedTuple):
    """What is timed; `threads` are those of our side."""

    name: str
    ours: Callable[[Scene], dict[int, list[float]]]
    rival: Callable[[Scene], dict[int, list[float]]]
    threads: int = 1


_CASES = (
    Case("in memory", our_counts, rival_counts),
    Case("with decoding", _ours_with_decoding, _rival_with_decoding),
    Case("2 threads", _ours_with_decoding, _rival_with_decoding, 2),
)


def _medians_ms(scene: Scene, case: Case, repeats: int) -> tuple[float, float]:
    """Milliseconds an image of ours and of the rival, in turns of some images.

    The first image of a turn is not timed: it would pay for the memory that
    the other side has left behind.
    """

    def ours(scenes: Sequence[Scene]) -> None:
        if case.threads == 1:
            list(map(case.ours, scenes))
        else:
            list(map_images(case.ours, scenes, case.threads))

    def rival(scenes: Sequence[Scene]) -> None:
        list(map(case.rival, scenes))

    times: tuple[list[float], list[float]] = [], []
    for _ in range(repeats):
        for side, seconds in zip((ours, rival), times, strict=True):
            side([scene])
            start = time.perf_counter()
            side([scene] * _TURN)
            seconds.append((time.perf_counter() - start) / _TURN)
    ours_ms, rival_ms = (1000 * statistics.median(one) for one in times)
    return ours_ms, rival_ms


def benchmark(values: flags.FlagValues) -> str:
    """Does what the module says; returns the lines to print."""
    lines = [
        f"NumPy {np.__version__}, milliseconds an image, median of "
        f"{values.repeats}",
        f"{'size':>10}  {'':14}{'ours':>8}{'rival':>8}{'times':>7}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for height, width in _SIZES:
            scene = make_scene(
                (height, width), values.segments, pathlib.Path(folder)
            )
            _check(scene)
            for case in _CASES:
                ours, rival = _medians_ms(scene, case, values.repeats)
                lines.append(
                    f"{height:>5}x{width:<5} {case.name:14}{ours:8.2f}"
                    f"{rival:8.2f}{rival / ours:7.1f}"
                )
    return "\n".join(lines)


def _check(scene: Scene) -> None:
    ours, rival = our_counts(scene), rival_counts(scene)
    for key, expected in rival.items():
        # The rival adds up in another order.
        if not np.allclose(ours[key], expected, rtol=1e-12, atol=0):
            raise AssertionError(f"{key}: {ours[key]} is not {expected}.")


if __name__ == "__main__":
    run_tool(benchmark, define_flags)
