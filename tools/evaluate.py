"""Evaluates predictions in files with the official metrics.

python tools/evaluate.py --metric=panoptic \
    --gt_json_file=truth/panoptic.json --pred_json_file=found/panoptic.json
python tools/evaluate.py --metric=cityscapes_pixel \
    --gt_folder=gtFine/val --pred_folder=found --html_file=report.html

Prints the scores, over all and by class, in percent, and writes them as JSON,
CSV and a page with the confusion matrix and the worst images, as asked. Bad
arguments and files end in one line and exit status 2 (`--verbosity=1` adds the
traceback).
"""

import dataclasses
import os
import pathlib

from absl import flags

# No TensorFlow runs here: its greetings would bury the one line of an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from axial_deeplab import evaluation  # noqa: E402
from axial_deeplab.command_line import run_tool  # noqa: E402
from axial_deeplab.data.dataset_specs import DATASET_SPECS  # noqa: E402
from axial_deeplab.evaluation import comparisons, kinds  # noqa: E402
from axial_deeplab.evaluation.evaluation_options import (  # noqa: E402
    Evaluation,
    EvaluationOptions,
)
from axial_deeplab.evaluation.html_report import (  # noqa: E402
    Page,
    Training,
    write_html,
)
from axial_deeplab.evaluation.tables import (  # noqa: E402
    format_tables,
    write_csv,
)

_WORST_IMAGES = 8
_OPTIONS = [field.name for field in dataclasses.fields(EvaluationOptions)]
_ATTENTION_LEGEND = (
    " Attention: the redder a place, the more of it reaches the ringed pixel "
    "through both axes of a block."
)
_OUTPUTS = "output_file", "csv_file", "html_file"
_ON_THE_PAGE = "worst_images", "image_folder", "attention_folder", "model_dir"


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    texts = "; ".join(
        f"{name}: {one.text}" for name, one in kinds.KINDS.items()
    )
    flags.DEFINE_enum(
        "metric",
        None,
        list(kinds.KINDS),
        f"What to compute. {texts}.",
        flag_values=values,
        required=True,
    )
    for name, text in (
        ("gt_json_file", "COCO-panoptic JSON file of the truth."),
        ("pred_json_file", "COCO-panoptic JSON file of the prediction."),
        ("gt_folder", "Folder of the true PNGs; JSON files have a default."),
        (
            "pred_folder",
            "Folder of the predictions; JSON files have a default.",
        ),
        ("image_folder", "Photographs to show beside the worst images."),
        (
            "attention_folder",
            "Pictures of attention to show beside them, as "
            "tools/visualize_attention.py writes them.",
        ),
        (
            "model_dir",
            "Folder of tools/train.py: the page shows settings and curves.",
        ),
        ("output_file", "JSON file to write the report to."),
        ("csv_file", "CSV file to write the tables to."),
        ("html_file", "Page to write the report to, with pictures."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values)
    _define_class_flags(values)
    for name, default, least, text in (
        ("workers", None, 1, "Images read at once; default: one a processor."),
        ("worst_images", _WORST_IMAGES, 0, "How many the page shows."),
    ):
        flags.DEFINE_integer(
            name, default, text, lower_bound=least, flag_values=values
        )


def _define_class_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "dataset",
        None,
        list(DATASET_SPECS),
        "Data set of semantic labels; or give --num_classes.",
        flag_values=values,
    )
    for name, text in (
        ("num_classes", "Number of semantic classes."),
        ("ignore_label", "Label of the truth that is left out."),
    ):
        flags.DEFINE_integer(name, None, text, flag_values=values)
    for name, text in (
        ("use_train_ids", "Predicted Cityscapes categories are train ids."),
        ("reduce_zero_label", "True labels count from 1, and 0 is no class."),
    ):
        flags.DEFINE_bool(name, False, text, flag_values=values)


def evaluate(values: flags.FlagValues) -> str:
    """Runs the evaluation the flags describe; returns the printed tables."""
    for name in _OUTPUTS:
        path = values[name].value
        if path and not pathlib.Path(path).parent.is_dir():
            # Before the work, not after it.
            raise FileNotFoundError(f"--{name}: no folder for {path}.")
    given = [name for name in _OPTIONS if values[name].present]
    kinds.check_options(values.metric, [x for x in given if x != "workers"])
    for name in _ON_THE_PAGE:
        if values[name].present and not values.html_file:
            raise ValueError(f"--{name} needs --html_file.")
    training = _training(values.model_dir) if values.model_dir else None
    options = EvaluationOptions(
        **{name: values[name].value for name in _OPTIONS}
    )
    if not values.html_file:
        options = dataclasses.replace(options, worst_images=0)
    found = kinds.KINDS[values.metric].evaluate(options)
    _write(found, values, training)
    return format_tables(found.tables)


def _training(model_dir: str) -> Training:
    """Settings and curves that tools/train.py left in a folder."""
    folder = pathlib.Path(model_dir)
    settings, curves = folder / "params.yaml", folder / "training_curves.png"
    for path in (settings, curves):
        if not path.is_file():
            raise FileNotFoundError(
                f"--model_dir: there is no {path}; it must be a folder that "
                "tools/train.py has trained in."
            )
    picture = comparisons.read_picture(curves)
    return Training(settings.read_text(encoding="utf-8"), picture)


def _write(
    found: Evaluation, values: flags.FlagValues, training: Training | None
) -> None:
    if values.output_file:
        evaluation.write_report(values.output_file, found.report)
    if values.csv_file:
        write_csv(values.csv_file, found.tables)
    if values.html_file:
        title = (
            f"{values.metric}: {values.pred_json_file or values.pred_folder}"
        )
        legend = found.legend
        if values.attention_folder:
            legend += _ATTENTION_LEGEND
        page = Page(
            title,
            found.tables,
            found.comparisons,
            legend,
            found.confusion,
            training,
        )
        write_html(values.html_file, page)


if __name__ == "__main__":
    run_tool(evaluate, define_flags)
