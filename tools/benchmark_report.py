"""The table and the picture of what tools/benchmark_layers.py has measured.

python tools/benchmark_report.py --results=runs/benchmarks/results.json

Seconds are medians of the repeats, MB (10^6 bytes) the peak memory above the
baseline of the process. Targets are what ours / rival may be at most, or the
GB of our whole process. Bad files end in one line and exit status 2.
"""

import itertools
import json
import os
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import numpy as np  # noqa: E402
from absl import flags  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from axial_deeplab import command_line, visualization  # noqa: E402

GROWTH, ATTENTION = "growth_", "attention_"
MEMORY_PER_DOUBLING = 2.2
_COLUMNS = (
    *("case", "rival", "ours s", "rival s", "ratio", "target"),
    *("ours MB", "rival MB", "ratio", "target", "met"),
)
_Result = dict[str, Any]
_Curves = dict[str, list[tuple[int, float, float]]]


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    for name, text, required in (
        ("results", "JSON file that tools/benchmark_layers.py wrote.", True),
        (
            "picture",
            "PNG file for time and memory of the cases that grow.",
            False,
        ),
    ):
        flags.DEFINE_string(
            name, None, text, flag_values=values, required=required
        )


def seconds(side: _Result | None) -> float | None:
    """Median of a side; None where it did not fit."""
    return side and statistics.median(side["seconds"])


def megabytes(side: _Result | None) -> float | None:
    """Peak above the baseline of a side; None where it did not fit."""
    return side and (side["peak_bytes"] - side["baseline_bytes"]) / 1e6


def reached(result: _Result) -> dict[str, float | None]:
    """What stands against each target of a case; None: nothing to compare."""
    ours = result["sides"]["ours"]
    rival = result["sides"].get(result["rival"])
    return {
        "time": _ratio(seconds(ours), seconds(rival)),
        "memory": _ratio(megabytes(ours), megabytes(rival)),
        "process_gb": ours and ours["peak_bytes"] / 1e9,
    }


def _ratio(ours: float | None, rival: float | None) -> float | None:
    return ours / rival if ours is not None and rival else None


def targets_met(result: _Result) -> bool | None:
    """Whether all are; None: there are none, or a rival did not fit.

    What does not fit itself has not met its targets.
    """
    targets = {k: v for k, v in result["targets"].items() if v is not None}
    if not targets:
        return None
    if not result["sides"]["ours"]:
        return False
    values = reached(result)
    if any(values[name] is None for name in targets):
        return None
    return all(values[name] <= target for name, target in targets.items())


def format_table(results: list[_Result]) -> str:
    """Aligned lines, one a case."""
    rows = [_COLUMNS, *map(_cells, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(
                zip(row, widths, strict=True)
            )
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cells(result: _Result) -> list[str]:
    values, targets = reached(result), result["targets"]
    limit = "process_gb" if targets["process_gb"] else "memory"
    form = "{:.2f} GB" if limit == "process_gb" else "{:.3f}"
    return [
        result["name"],
        result["rival"] or "",
        *_of_sides(result, seconds, "{:.4g}"),
        _text(values["time"], "{:.3f}"),
        _text(targets["time"]),
        *_of_sides(result, megabytes, "{:.1f}"),
        _text(values[limit], form),
        _text(targets[limit], form.replace("3f", "2f")),
        {True: "yes", False: "no", None: ""}[targets_met(result)],
    ]


def _of_sides(
    result: _Result, measure: Callable[[_Result], float], form: str
) -> list[str]:
    """Ours and the rival's; empty where there is no rival."""
    texts = [
        _text(measure(side), form) or "does not fit"
        for side in result["sides"].values()
    ]
    return texts if result["rival"] else [*texts, ""]


def _text(value: float | None, form: str = "{:.2f}") -> str:
    return "" if value is None else form.format(value)


def format_agreement(results: list[_Result]) -> str:
    """How far ours and plain, which compute the same, are apart at most."""
    apart = [
        abs(ours["size"] / plain["size"] - 1)
        for ours, plain in (
            (one["sides"]["ours"], one["sides"].get("plain")) for one in results
        )
        if ours and plain
    ]
    if not apart:
        return ""
    return f"Results of ours and plain agree to {max(apart):.0e}"


def growth_curves(results: list[_Result]) -> _Curves:
    """(length, seconds, MB) by rising length of each side, where it fits."""
    cases = [one for one in results if one["name"].startswith(GROWTH)]
    cases.sort(key=lambda one: one["length"])
    curves = {"ours": [], "plain": []}
    for case, (name, curve) in itertools.product(cases, curves.items()):
        if side := case["sides"][name]:
            curve.append((case["length"], seconds(side), megabytes(side)))
    return {name: curve for name, curve in curves.items() if curve}


def attention_curves(results: list[_Result]) -> _Curves:
    """(side, seconds, MB) by rising side of each attention, where it fits."""
    cases = [one for one in results if one["name"].startswith(ATTENTION)]
    cases.sort(key=lambda one: one["length"])
    curves = {}
    for case in cases:
        for name, side in case["sides"].items():
            name = " ".join([case["attention"], *([name] * (name != "ours"))])
            curve = curves.setdefault(name, [])
            if side:
                curve.append((case["length"], seconds(side), megabytes(side)))
    return {name: curve for name, curve in curves.items() if curve}


def format_growth(curves: _Curves) -> str:
    """Memory of each length over that of the one before (half as long)."""
    lines = []
    for name, curve in curves.items():
        ratios = [
            f"{after[2] / before[2]:.2f}"
            for before, after in itertools.pairwise(curve)
        ]
        lengths = ", ".join(str(length) for length, _, _ in curve)
        lines.append(
            f"Memory of {name} from each of {lengths} to the next: "
            f"{', '.join(ratios) or 'one length only'}"
        )
    lines.append(f"Target per doubling, ours: {MEMORY_PER_DOUBLING}")
    return "\n".join(lines)


def draw_growth(
    curves: _Curves, path: str | os.PathLike, of: str = "training step"
) -> None:
    """Writes a PNG: time and memory against the length, both logarithmic."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = zip(
        figure.subplots(1, 2),
        ("seconds", "memory in MB"),
        (1, 2),
        strict=True,
    )
    for panel, title, column in panels:
        for name, curve in curves.items():
            points = [(point[0], point[column]) for point in curve]
            panel.plot(*zip(*points, strict=True), marker="o", label=name)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        lengths = sorted({point[0] for one in curves.values() for point in one})
        panel.set_xticks(lengths, [str(length) for length in lengths])
        panel.set_xlabel("length L")
        panel.set_title(f"{of}, {title}")
        panel.grid(alpha=0.3)
        panel.legend()
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3]
    visualization.write_png(path, picture)


def work(values: flags.FlagValues) -> str:
    """What the flags ask for; returns the lines to print."""
    content = json.loads(pathlib.Path(values.results).read_text())
    results = content["cases"]
    machine = ", ".join(f"{k} {v}" for k, v in content["machine"].items())
    parts = [
        f"{machine}; medians of {content['repeats']}",
        format_table(results),
        format_agreement(results),
    ]
    curves = growth_curves(results)
    if curves:
        parts.append(format_growth(curves))
    attentions = attention_curves(results)
    if values.picture:
        if not curves | attentions:
            raise ValueError(
                f"{values.results} holds no growth of lines or of attention."
            )
        of = "attention" if attentions else "training step"
        draw_growth(curves | attentions, values.picture, of)
        parts.append(f"Wrote {values.picture}")
    return "\n\n".join(filter(None, parts))


if __name__ == "__main__":
    command_line.run_tool(work, define_flags)
