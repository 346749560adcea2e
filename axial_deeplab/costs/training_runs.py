"""Training steps side by side: processes that take turns, and their table."""

import contextlib
import dataclasses
import json
import os
import statistics
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from axial_deeplab.costs.measured_process import MeasuredProcess
from axial_deeplab.costs.training_case import TrainingCase
from axial_deeplab.progress import track

_PROCESS = "axial_deeplab.costs.training_step"
_MEGA = 1e6

COLUMNS = (
    *("row", "model", "crop", "batch", "replicas", "step, s", "images/s"),
    *("memory, MB", "all-reduced, MB", "pipeline, images/s", "headroom"),
    *("step / first", "memory / first"),
)
CAPTION = """\
Each row has a process of its own; they take turns, a step each, and the steps
are medians. Ratios to the first row are medians of the ratios of a turn, so
that what slows the machine for a while slows both.
Memory is the peak of a step above what is resident before it: weights, state
of the optimizer and the batch are not in it; activations, gradients, scratch
space, and what TensorFlow takes once to optimise the graph are. Replicas on a
CPU share its cores and its memory.
All-reduced are the megabytes that each replica gives into sums over replicas
in a step, counted at the collective operations of its graph: 4 bytes for every
trainable weight; for every batch norm the two sums and the count of its
statistics, forward (twice where blocks are recomputed) and, for their
gradients, backward; and 8 bytes for every loss that Keras shows. One replica
sends nothing.
The pipeline reads, augments and encodes synthetic scenes of the crop's size by
itself, with all cores; headroom is its images/s over those of training."""


def measure(
    cases: Sequence[TrainingCase], repeats: int
) -> list[dict[str, Any] | None]:
    """What the process of each case found; None: it did not fit the memory.

    Raises:
      RuntimeError: a process failed for another reason.
    """
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(_process(case)) for case in cases]
        for _ in track(range(repeats + 1), repeats + 1, "training", "turns"):
            for run in runs:
                run.step()
        return [run.finish() for run in runs]


def describe_machine(repeats: int) -> str:
    """What the numbers depend on; TensorFlow takes a thread per core."""
    return (
        f"{len(os.sched_getaffinity(0))} CPU core(s), {_gpus()}, TensorFlow "
        f"{tf.__version__}; {repeats} turns"
    )


def _gpus() -> str:
    names = [
        tf.config.experimental.get_device_details(gpu)["device_name"]
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return ", ".join(names) or "no GPU"


def format_rows(
    cases: Sequence[TrainingCase], found: Sequence[dict[str, Any] | None]
) -> list[list[str]]:
    """The heading and a line of cells for each case."""
    rows = [list(COLUMNS)]
    for case, one in zip(cases, found, strict=True):
        height, width = case.size_px
        cells = [case.label, case.call, f"{height}x{width}"]
        cells += [str(case.batch), str(case.replicas)]
        missing = ["does not fit", *["-"] * (len(COLUMNS) - len(cells) - 1)]
        rows.append(cells + (_measured(case, one, found[0]) or missing))
    return rows


def _measured(
    case: TrainingCase, one: dict | None, first: dict | None
) -> list[str]:
    if one is None:
        return []
    seconds = statistics.median(one["seconds"])
    rate, pipeline = case.batch / seconds, one["pipeline_images"]
    ratios = ["-", "-"]
    if first:
        pairs = zip(one["seconds"], first["seconds"], strict=True)
        ratios = [
            f"{statistics.median(a / b for a, b in pairs):.2f}",
            f"{_memory(one) / _memory(first):.2f}",
        ]
    return [
        f"{seconds:.3g}",
        f"{rate:.3g}",
        f"{_memory(one):.0f}",
        f"{one['all_reduced_bytes'] / _MEGA:.2f}",
        f"{pipeline:.3g}",
        f"{pipeline / rate:.3g}",
        *ratios,
    ]


def _memory(one: dict[str, Any]) -> float:
    return (one["peak_bytes"] - one["baseline_bytes"]) / _MEGA


def _process(case: TrainingCase) -> MeasuredProcess:
    order = json.dumps(dataclasses.asdict(case))
    return MeasuredProcess(["-m", _PROCESS, order], case.label)
