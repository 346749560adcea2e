"""What the tests of the trainer share."""

import pathlib
import re

import tensorflow as tf

from axial_deeplab.experiments import trainer
from tests.experiments import case


def run(scenes, model_dir, mode, *more, **options):
    config = case.config(scenes, *more, **options)
    return trainer.run_experiment(config, mode, str(model_dir))


def step_lines(capsys):
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if re.match(r"step \d+/\d+ ", line)]


def stored(model_dir, step):
    """Values of a checkpoint by name, without those of its bookkeeping."""
    reader = tf.train.load_checkpoint(f"{model_dir}/ckpt-{step}")
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VALUE") and "save_counter" not in name
    }


def names(folder):
    return sorted(path.name for path in pathlib.Path(folder).iterdir())
