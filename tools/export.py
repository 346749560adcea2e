r"""Exports a trained experiment as a SavedModel.

python tools/export.py --experiment=axial_deeplab_shapes \
    --checkpoint=runs/shapes --output_dir=runs/shapes/saved_model

--checkpoint is a checkpoint prefix or a folder, whose latest is taken. The
SavedModel takes uint8 images [B, H, W, 3] of any size and needs nothing but
TensorFlow (see tools/predict.py).
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab.command_line import run_tool  # noqa: E402
from axial_deeplab.experiments.checkpoints import restore_model  # noqa: E402
from axial_deeplab.experiments.configs import PanopticTaskConfig  # noqa: E402
from axial_deeplab.experiments.experiment_flags import (  # noqa: E402
    config_from_flags,
    define_experiment_flags,
)
from axial_deeplab.experiments.panoptic_task import (  # noqa: E402
    PanopticTask,
    panoptic_settings,
)
from axial_deeplab.export import export_saved_model  # noqa: E402


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    define_experiment_flags(values)
    for name, text in (
        ("checkpoint", "Checkpoint prefix, or folder: its latest."),
        ("output_dir", "Folder of the SavedModel; replaced if it is one."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)


def export(values: flags.FlagValues) -> str:
    """Exports what the flags describe; returns a line that says where."""
    config = config_from_flags(values).task
    if not isinstance(config, PanopticTaskConfig):
        raise ValueError(
            f"--experiment={values.experiment} trains no panoptic model; only "
            "those are exported."
        )
    task = PanopticTask(config)
    model = task.build_model()
    prefix = restore_model(values.checkpoint, model)
    written = export_saved_model(
        model, task.spec, panoptic_settings(config), values.output_dir
    )
    return f"Exported {prefix} to {written}"


if __name__ == "__main__":
    run_tool(export, define_flags)
