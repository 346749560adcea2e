"""The table of a scale stress test: read, printed, plotted.

`{"settings": {...}, "results": [{"ratio", "size_px", "images",
"seconds_per_image" (tracing included), and what `summary_metrics` returns}]}`.
"""

import json
import os
import pathlib
from typing import Any

import numpy as np

from axial_deeplab import visualization

_COLUMNS = {"PQ": "pq_all", "SQ": "sq_all", "RQ": "rq_all"}
_COLUMNS |= {"things": "pq_things", "stuff": "pq_stuff", "mIoU": "mean_iou"}
_CURVES = {"All": "ko-", "Things": "C3s--", "Stuff": "C0^--"}

Table = dict[str, Any]


def read_table(path: pathlib.Path, settings: dict[str, Any]) -> Table:
    """The table in a file, or a new one.

    Raises:
      ValueError: it was measured with other settings, or is no such table.
    """
    if not path.exists():
        return {"settings": settings, "results": []}
    try:
        table = json.loads(path.read_text())
        stored, _ = table["settings"], table["results"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no table of this tool.") from error
    wanted = json.loads(json.dumps(settings))
    if stored != wanted:
        names = sorted(k for k in wanted if stored.get(k) != wanted[k])
        raise ValueError(
            f"{path} was measured with another {' and '.join(names)}; choose "
            "another --output_dir, or delete it."
        )
    return table


def format_table(table: Table) -> str:
    """Aligned lines, qualities in percent; "-" is what does not exist."""
    rows = [("ratio", "size", "images", *_COLUMNS, "s/image")]
    for one in table["results"]:
        scores = (one[key] for key in _COLUMNS.values())
        rows.append(
            (
                f"{one['ratio']:g}",
                _size(one),
                str(one["images"]),
                *("-" if x is None else f"{x:.2f}" for x in scores),
                f"{one['seconds_per_image']:.3g}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(map(str.rjust, row, widths)).rstrip() for row in rows
    )


def draw_table(table: Table, path: str | os.PathLike, title: str) -> None:
    """PQ of all, things and stuff against the ratio, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    results = table["results"]
    figure = Figure((8, 5), dpi=120, layout="constrained")
    canvas, panel = FigureCanvasAgg(figure), figure.subplots()
    ratios = [one["ratio"] for one in results]
    for name, style in _CURVES.items():
        scores = [one[f"pq_{name.lower()}"] for one in results]
        scores = [float("nan") if x is None else x for x in scores]
        panel.plot(ratios, scores, style, label=name)
    panel.axvline(1, color="0.6", linewidth=1)
    panel.set_xscale("log", base=2)
    panel.set_xticks(
        ratios, [f"{one['ratio']:g}\n{_size(one)}" for one in results]
    )
    panel.minorticks_off()
    panel.set_ylim(0, None)
    panel.set(xlabel="ratio, and size in pixels", ylabel="PQ in percent")
    panel.set_title(title)
    panel.grid(alpha=0.3)
    panel.legend()
    canvas.draw()
    visualization.write_png(path, np.asarray(canvas.buffer_rgba())[..., :3])


def _size(result: dict[str, Any]) -> str:
    return "x".join(map(str, result["size_px"]))
