r"""Exports a trained experiment as a SavedModel.

python tools/export.py --experiment=axial_deeplab_shapes \
    --checkpoint=runs/shapes --output_dir=runs/shapes/saved_model

--checkpoint is a checkpoint prefix or a folder, whose latest is taken. The
SavedModel takes uint8 images [B, H, W, 3] of any size, or JPEG and PNG bytes,
and needs nothing but TensorFlow (see tools/predict.py, and the README.md in the
export). --scales and --flip are baked into it and, for semantic models,
--windows_px. An evaluation.json beside the checkpoint gives the metrics of its
model card. That of a classifier returns `class` and `probabilities`, and takes
no flag but --max_pixels.
"""

import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab import command_line  # noqa: E402
from axial_deeplab.checkpoints.own_files import restore_model  # noqa: E402
from axial_deeplab.experiments.classification_configs import (  # noqa: E402
    ClassificationTaskConfig,
)
from axial_deeplab.experiments.classification_task import (  # noqa: E402
    ClassificationTask,
)
from axial_deeplab.experiments.configs import PanopticTaskConfig  # noqa: E402
from axial_deeplab.experiments.experiment_flags import (  # noqa: E402
    config_from_flags,
    define_experiment_flags,
)
from axial_deeplab.experiments.image_task import REPORT_FILE  # noqa: E402
from axial_deeplab.experiments.panoptic_task import (  # noqa: E402
    PanopticTask,
    panoptic_settings,
)
from axial_deeplab.experiments.semantic_configs import (  # noqa: E402
    SemanticTaskConfig,
)
from axial_deeplab.experiments.semantic_task import SemanticTask  # noqa: E402
from axial_deeplab.export import (  # noqa: E402
    ExportOptions,
    ModelCard,
    export_classifier,
    export_saved_model,
)
from axial_deeplab.export.options import WEIGHT_TYPES  # noqa: E402
from axial_deeplab.models.multi_scale import MultiScale  # noqa: E402

# Flags that shape the exports of classifiers.
_OF_CLASSIFIERS = {
    *("experiment", "config_file", "params_override", "checkpoint"),
    *("output_dir", "max_pixels"),
}


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    define_experiment_flags(values)
    for name, text in (
        ("checkpoint", "Checkpoint prefix, or folder: its latest."),
        ("output_dir", "Folder of the SavedModel; replaced if it is one."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)
    command_line.define_scale_flags(values)
    flags.DEFINE_enum(
        "weights_type",
        "float32",
        WEIGHT_TYPES,
        "How weights are stored.",
        flag_values=values,
    )
    for name, text in (
        ("size_px", "Height,width of all images, for compilers; default: any."),
        (
            "windows_px",
            "Side,stride of the windows in which a semantic model sees images; "
            "default: whole images.",
        ),
    ):
        flags.DEFINE_list(name, None, text, flag_values=values)
    flags.DEFINE_integer(
        "max_pixels",
        ExportOptions().max_pixels,
        "Larger images are refused.",
        flag_values=values,
    )
    for name, default, text in (
        ("with_probabilities", False, "Also return class probabilities."),
        ("with_features", True, "Also export the backbone, to train (TF Hub)."),
    ):
        flags.DEFINE_bool(name, default, text, flag_values=values)
    flags.DEFINE_string(
        "licence",
        ModelCard().licence,
        "Licence of the weights, for the model card.",
        flag_values=values,
    )


def export(values: flags.FlagValues) -> str:
    """Exports what the flags describe; returns a line that says where."""
    options = export_options(values)
    config = config_from_flags(values).task
    if isinstance(config, ClassificationTaskConfig):
        return _export_classifier(values, config)
    if isinstance(config, PanopticTaskConfig):
        task, settings = PanopticTask(config), panoptic_settings(config)
    elif isinstance(config, SemanticTaskConfig):
        task, settings = SemanticTask(config), None
    else:
        raise ValueError(
            f"--experiment={values.experiment} trains none of the models that "
            "are exported: classifiers, panoptic and semantic ones."
        )
    model = task.build_model()
    prefix = restore_model(values.checkpoint, model)
    written = export_saved_model(
        model,
        task.spec,
        settings,
        values.output_dir,
        options,
        ModelCard(config.model.name, _metrics(prefix), values.licence),
    )
    return f"Exported {prefix} to {written}"


def _export_classifier(
    values: flags.FlagValues, config: ClassificationTaskConfig
) -> str:
    own = flags.FlagValues()
    define_flags(own)
    useless = sorted(
        name
        for name in set(own) - _OF_CLASSIFIERS
        if name in values and values[name].present
    )
    if useless:
        raise ValueError(
            f"--experiment={values.experiment} trains a classifier, whose "
            f"export does not take --{', --'.join(useless)}."
        )
    model = ClassificationTask(config).build_model()
    prefix = restore_model(values.checkpoint, model)
    written = export_classifier(
        model, values.output_dir, config.model.name, values.max_pixels
    )
    return f"Exported {prefix} to {written}"


def export_options(values: flags.FlagValues) -> ExportOptions:
    """What the flags say of the export itself."""
    return ExportOptions(
        with_probabilities=values.with_probabilities,
        multi_scale=MultiScale(**command_line.scale_options(values)),
        weights_type=values.weights_type,
        windows_px=_two_sides(values, "windows_px"),
        size_px=_two_sides(values, "size_px"),
        max_pixels=values.max_pixels,
        with_features=values.with_features,
    )


def _two_sides(values: flags.FlagValues, name: str) -> tuple[int, int] | None:
    sides = values[name].value
    if sides is None:
        return None
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise ValueError(
            f"--{name} must be two whole numbers with a comma between; got "
            f"{','.join(sides)}."
        )
    return int(sides[0]), int(sides[1])


def _metrics(prefix: str) -> dict[str, float]:
    """Percents of the last evaluation of a run, where there was one."""
    path = pathlib.Path(prefix).parent / REPORT_FILE
    if not path.is_file():
        return {}
    report = json.loads(path.read_text())
    groups = report.get("panoptic_quality", {})
    metrics = {f"PQ {name}": group["pq"] for name, group in groups.items()}
    metrics["mIoU"] = report["mean_iou"]
    # A group without segments has no value.
    return {
        name: round(100 * value, 2)
        for name, value in metrics.items()
        if value is not None
    }


if __name__ == "__main__":
    command_line.run_tool(export, define_flags)
