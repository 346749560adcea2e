r"""Trains and evaluates an experiment with Model Garden's loop.

python tools/train.py --experiment=axial_deeplab_shapes --mode=train_and_eval \
    --model_dir=runs/shapes \
    --config_file=configs/shapes/axial_deeplab_xs.yaml \
    --params_override=trainer.train_steps=500

Run again with the same --model_dir it goes on from the last checkpoint.
Leaves checkpoints, summaries (tensorboard --logdir), pictures of evaluated
images, params.yaml, versions.yaml, evaluation.json and training_curves.png in
--model_dir. --scales and --flip make its evaluations averages over scales and
mirror images. --list_experiments prints a table of all experiments.
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab import command_line  # noqa: E402
from axial_deeplab.experiments import summaries, trainer  # noqa: E402
from axial_deeplab.experiments.experiment_flags import (  # noqa: E402
    config_from_flags,
    define_experiment_flags,
)
from axial_deeplab.experiments.experiment_table import (  # noqa: E402
    format_experiments,
)

_CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    define_experiment_flags(values, required=False)
    command_line.define_scale_flags(values)
    flags.DEFINE_enum(
        "mode",
        "train_and_eval",
        trainer.MODES,
        "What to do.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "model_dir",
        None,
        "Folder of checkpoints and results; made where it is missing.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "list_experiments",
        False,
        "Print name, model, data set and file of all experiments.",
        flag_values=values,
    )
    flags.register_multi_flags_validator(
        ("experiment", "model_dir", "list_experiments"),
        lambda given: (
            given["list_experiments"]
            or (given["experiment"] and given["model_dir"])
        ),
        "Both must have a value: which experiment, and where its results go",
        flag_values=values,
    )


def train(values: flags.FlagValues) -> str:
    """Runs the experiment that the flags describe; returns the report."""
    if values.list_experiments:
        return format_experiments(_CONFIGS)
    scales = command_line.scale_options(values)
    options = {"task": {"multi_scale": scales}} if scales else None
    config = config_from_flags(values, options)
    _, report = trainer.run_experiment(config, values.mode, values.model_dir)
    lines = [trainer.format_report(config, report)] if report else []
    curves = summaries.plot_curves(values.model_dir)
    if curves:
        lines.append(f"Training curves: {curves}")
    return "\n\n".join(lines)


if __name__ == "__main__":
    command_line.run_tool(train, define_flags)
