"""Evaluates predictions in files with the official metrics.

python tools/evaluate.py --metric=panoptic \
    --gt_json_file=truth/panoptic.json --pred_json_file=found/panoptic.json

Prints PQ, SQ and RQ (All, Things, Stuff, per class) and the semantic mean IoU
of the same files. Bad arguments and files end in one line and exit status 2
(`--verbosity=1` adds the traceback).
"""

import os
import pathlib

from absl import flags

# No TensorFlow runs here: its greetings would bury the one line of an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from axial_deeplab import evaluation  # noqa: E402
from axial_deeplab.command_line import run_tool  # noqa: E402


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_enum(
        "metric",
        None,
        ["panoptic"],
        "What to compute. panoptic: PQ and mean IoU of COCO-panoptic files.",
        flag_values=values,
        required=True,
    )
    for name, text in (
        ("gt_json_file", "COCO-panoptic JSON file of the truth."),
        ("pred_json_file", "COCO-panoptic JSON file of the prediction."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)
    for name, of in (
        ("gt_folder", "--gt_json_file"),
        ("pred_folder", "--pred_json_file"),
    ):
        text = f"Folder of its id PNGs; default: {of} without .json."
        flags.DEFINE_string(name, None, text, flag_values=values)
    flags.DEFINE_integer(
        "workers",
        None,
        "Images read at the same time; default: one a processor.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_string(
        "output_file",
        None,
        "JSON file to write the report to, beside printing it.",
        flag_values=values,
    )


def evaluate_panoptic(values: flags.FlagValues) -> str:
    """Runs the evaluation the flags describe; returns the printed table."""
    output_file = values.output_file
    if output_file and not pathlib.Path(output_file).parent.is_dir():
        # Before the work, not after it.
        raise FileNotFoundError(f"--output_file: no folder for {output_file}.")
    quality, mean_iou = evaluation.evaluate_panoptic_files(
        values.gt_json_file,
        values.pred_json_file,
        values.gt_folder,
        values.pred_folder,
        values.workers,
    )
    report = evaluation.panoptic_report(quality, mean_iou)
    if output_file:
        evaluation.write_report(output_file, report)
    return evaluation.format_report(report)


if __name__ == "__main__":
    run_tool(evaluate_panoptic, define_flags)
