r"""Trains and evaluates an experiment with Model Garden's loop.

python tools/train.py --experiment=axial_deeplab_shapes --mode=train_and_eval \
    --model_dir=runs/shapes \
    --config_file=configs/shapes/axial_deeplab_xs.yaml \
    --params_override=trainer.train_steps=500

Run again with the same --model_dir it goes on from the last checkpoint.
Leaves checkpoints, summaries (tensorboard --logdir), params.yaml,
evaluation.json and training_curves.png in --model_dir.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab.command_line import run_tool  # noqa: E402
from axial_deeplab.experiments import summaries, trainer  # noqa: E402
from axial_deeplab.experiments.experiment_flags import (  # noqa: E402
    config_from_flags,
    define_experiment_flags,
)


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    define_experiment_flags(values)
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
        required=True,
    )


def train(values: flags.FlagValues) -> str:
    """Runs the experiment that the flags describe; returns the report."""
    config = config_from_flags(values)
    _, report = trainer.run_experiment(config, values.mode, values.model_dir)
    lines = [trainer.format_report(config, report)] if report else []
    curves = summaries.plot_curves(values.model_dir)
    if curves:
        lines.append(f"Training curves: {curves}")
    return "\n\n".join(lines)


if __name__ == "__main__":
    run_tool(train, define_flags)
