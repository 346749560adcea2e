"""Times axial attention, and what it occupies, beside a rival.

python tools/benchmark_layers.py --output_dir=runs/benchmarks
python tools/benchmark_layers.py --growth --output_dir=runs/growth

The rival "plain" stores all logits; it lies with the tests, so this tool runs
in a checkout. Models stand beside ResNet-50, or alone. Each side has a process
of tools/benchmark_worker.py; they take turns, and only one computes.

Prints the table of tools/benchmark_report.py; leaves results.json and, with
--growth or --attention, growth.png in --output_dir. Linux only. Exit status 2:
bad arguments (`--verbosity=1` adds the traceback).
"""

import contextlib
import dataclasses
import difflib
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import tensorflow as tf  # noqa: E402
from absl import flags  # noqa: E402

from axial_deeplab import command_line  # noqa: E402
from axial_deeplab.costs.measured_process import (  # noqa: E402
    MeasuredProcess,
)
from axial_deeplab.progress import ProgressBar  # noqa: E402

_PROJECT = pathlib.Path(__file__).resolve().parent.parent
_WORKER = _PROJECT / "tools/benchmark_worker.py"
_REPORT = _PROJECT / "tools/benchmark_report.py"
_PLAIN = _PROJECT / "tests/reference/plain_attention.py"


@dataclasses.dataclass(frozen=True)
class Targets:
    """At most: ours / rival in seconds and in memory, GB of our process."""

    time: float | None = None
    memory: float | None = None
    process_gb: float | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """Input [1, rows, length, channels] and what is done with it.

    `mode` "training" is a step along the width, "inference" both axes. A
    `model` takes the place of the layer, or `attention` of a transformer:
    "axial", "window", "full". `limit_gb` is for all new memory. Without
    `num_classes` a model has those of its family.
    """

    name: str
    rows: int
    length: int
    channels: int
    mode: str
    targets: Targets = Targets()
    rival: str | None = "plain"
    model: str | None = None
    span: int | None = None
    recompute: bool = False
    num_classes: int | None = None
    attention: str | None = None
    limit_gb: float | None = None

    @property
    def sides(self) -> list[str]:
        """What to start, ours first."""
        return ["ours", self.rival] if self.rival else ["ours"]


_STAGE_1 = (1025, 1025, 128, "inference", Targets(process_gb=8))
_CLASSIFIERS = tuple(
    Case(name, 224, 224, 3, "inference", Targets(time), "resnet50", name)
    for name, time in (("axial_resnet_s", 1.8), ("axial_resnet_l", 3.2))
)
_PANOPTIC = (
    Case(
        "axial_deeplab_l_inference",
        *(1025, 2049, 3, "inference", Targets(process_gb=6)),
        *(None, "axial_deeplab_l"),
    ),
    Case(
        "axial_deeplab_l_training",
        *(1025, 2049, 3, "training", Targets(process_gb=20)),
        *(None, "axial_deeplab_l", 65, True),
    ),
    *(
        Case(
            f"axial_deeplab_s_{dataset}",
            *(4097, 4097, 3, "inference", Targets(process_gb=16)),
            *(None, "axial_deeplab_s"),
            num_classes=num_classes,
        )
        for dataset, num_classes in (("cityscapes", 19), ("coco", 134))
    ),
)
GROUPS = {
    "layers": (
        Case("train_128x193", 128, 193, 128, "training", Targets(0.42, 0.10)),
        Case("train_56x56", 56, 56, 128, "training", Targets(0.75, 0.5)),
        Case("train_65x129", 65, 129, 1024, "training", Targets(0.70, 0.35)),
        Case("infer_56x56", 56, 56, 128, "inference", Targets(0.70, 0.5)),
        Case("infer_193x193", 193, 193, 128, "inference", Targets(0.50, 0.10)),
        *_CLASSIFIERS,
    ),
    "models": _CLASSIFIERS + _PANOPTIC,
    "large": (
        Case("infer_1025x1025_span", *_STAGE_1, span=65),
        Case("infer_1025x1025_global", *_STAGE_1),
    ),
    "growth": tuple(
        Case(f"growth_{length}", 16, length, 128, "training")
        for length in (65, 129, 257, 513, 1025)
    ),
    "attention": tuple(
        Case(
            *(f"attention_{kind}_{side}", side, side, 32, "inference"),
            **{"rival": "plain" if kind == "full" else None, "limit_gb": 4},
            attention=kind,
        )
        for side in (32, 64, 96, 128, 192, 256, 1000)
        for kind in ("axial", "window", "full")[: 3 if side < 256 else 2]
    ),
}
CASES = {case.name: case for group in GROUPS.values() for case in group}


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    for name, text in (
        ("list", "Only name the cases."),
        ("models", "Measure whole models instead of layers."),
        ("large", "Measure maps of 1025x1025 instead."),
        ("growth", "Measure rising lengths instead; draws in --output_dir."),
        ("attention", "Measure full, window and axial attention; draws, too."),
    ):
        flags.DEFINE_bool(name, False, text, flag_values=values)
    flags.DEFINE_list("cases", [], "Measure these instead.", flag_values=values)
    flags.DEFINE_integer(
        "repeats", 7, "Timed ones, a side.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_string(
        "output_dir", None, "Folder to write to.", flag_values=values
    )


def select_cases(values: flags.FlagValues) -> list[Case]:
    """Each case that the flags ask for once; "layers" if they name none.

    Raises:
      ValueError: if there is no case of a name.
    """
    named = [CASES[_known(name)] for name in values.cases]
    groups = [name for name in list(GROUPS)[1:] if values[name].value]
    for group in groups if groups or named else ["layers"]:
        named += GROUPS[group]
    return list(dict.fromkeys(named))


def _known(name: str) -> str:
    if name not in CASES:
        near = difflib.get_close_matches(name, CASES, n=3, cutoff=0.4)
        raise ValueError(
            f"Unknown case {name!r}; nearest: {', '.join(near) or 'none'}. "
            "--list names all."
        )
    return name


def start_side(case: Case, side: str) -> MeasuredProcess:
    """A process of tools/benchmark_worker.py."""
    order = json.dumps([dataclasses.asdict(case), side])
    return MeasuredProcess([f"{_WORKER}", order], f"{case.name}, {side}")


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """An entry of results.json: the case, and what each side measured."""
    with contextlib.ExitStack() as stack:
        sides = {}
        for name in case.sides:
            sides[name] = stack.enter_context(start_side(case, name))
            sides[name].step()
        for _ in range(repeats):
            for side in sides.values():
                side.step()
        measured = {name: side.finish() for name, side in sides.items()}
    return dataclasses.asdict(case) | {"sides": measured}


def describe_machine() -> dict[str, Any]:
    """What the numbers depend on; TensorFlow takes a thread per core."""
    cores = len(os.sched_getaffinity(0))
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": cores,
        "threads": threads or cores,
        "memory_gb": round(memory / 1e9, 1),
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
    }


def run_cases(cases: list[Case], repeats: int, path: pathlib.Path) -> None:
    """Measures, and keeps `path` complete: later cases may fail."""
    results = {
        "machine": describe_machine(),
        "repeats": repeats,
        "cases": [],
    }
    with ProgressBar(len(cases), "measuring", "cases") as bar:
        for case in cases:
            results["cases"].append(measure(case, repeats))
            path.write_text(json.dumps(results, indent=2) + "\n")
            bar.update()


def report(path: pathlib.Path, picture: pathlib.Path | None = None) -> str:
    """What tools/benchmark_report.py says of results; may draw growth."""
    command = [sys.executable, _REPORT, f"--results={path}"]
    if picture:
        command.append(f"--picture={picture}")
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.rstrip()


def work(values: flags.FlagValues) -> str:
    """What the flags ask for; returns the lines to print."""
    cases = select_cases(values)
    if values.list:
        return "\n".join(
            f"{group}: {', '.join(case.name for case in members)}"
            for group, members in GROUPS.items()
        )
    if not _PLAIN.is_file():
        raise FileNotFoundError(
            f"{_PLAIN} is missing: run this tool in a checkout of the project."
        )
    with contextlib.ExitStack() as stack:
        folder = values.output_dir or stack.enter_context(
            tempfile.TemporaryDirectory()
        )
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        run_cases(cases, values.repeats, folder / "results.json")
        grow = {*GROUPS["growth"], *GROUPS["attention"]} & set(cases)
        draws = values.output_dir and grow
        picture = folder / "growth.png" if draws else None
        return report(folder / "results.json", picture)


if __name__ == "__main__":
    command_line.run_tool(work, define_flags)
