"""Trains whole and interrupted; run by `resume_test.py`.

A process of its own: what makes TensorFlow repeat its bits on a CPU is said in
its environment. Writes what it found as JSON to the file `found.json` of the
folder that is its first argument; the second is a seed.
"""

import json
import os
import pathlib
import random
import signal
import sys

import numpy as np
import tf_keras
from official.core import config_definitions as cfg

from axial_deeplab.experiments import image_task, runner, trainer
from tests.experiments import case
from tests.experiments.trainer_case import stored

STEPS = 9


def sigterm_at(step: int) -> None:
    """Lets this process get SIGTERM in the loop that ends at `step`."""

    class Line(runner.StepLine):
        def __call__(self, output):
            super().__call__(output)
            if int(self._step.numpy()) == step:
                os.kill(os.getpid(), signal.SIGTERM)

    runner.StepLine = Line


def ended(config: cfg.ExperimentConfig, model_dir: pathlib.Path) -> int:
    """Trains; the status to end with."""
    # As in a process of its own: TensorFlow orders sums by the names of
    # operations, and conv2d_10 comes before conv2d_9.
    tf_keras.backend.clear_session()
    try:
        trainer.run_experiment(config, "train", str(model_dir))
    except SystemExit as end:
        return end.code
    return 0


def main(folder: str, seed: str) -> None:
    folder = pathlib.Path(folder)
    image_task.create_model = case.toy_model
    scenes = folder / "scenes"
    scenes.mkdir()
    # Batches of three of four scenes, mirrored at random: the interruption is
    # amid an epoch, whose order counts.
    config = case.config(
        case.write_scenes(scenes),
        "task.train_data.global_batch_size=3",
        f"{case.SCHEDULE}.base_learning_rate=1e-4",
        f"trainer.train_steps={STEPS}",
        "trainer.checkpoint_interval=100",
    )
    whole, parts = folder / "whole", folder / "parts"
    status, line = ended(config, whole), runner.StepLine
    stop = random.Random(int(seed)).randrange(2, STEPS - 1)
    sigterm_at(stop)
    interrupted = ended(config, parts)
    runner.StepLine = line
    resumed = ended(config, parts)
    expected, found = stored(whole, STEPS), stored(parts, STEPS)
    between = stored(parts, stop)
    result = {
        "stop": stop,
        "statuses": [status, interrupted, resumed],
        "names": [sorted(expected), sorted(found)],
        "different": [k for k in expected if np.any(expected[k] != found[k])],
        "moved": [k for k in expected if np.any(expected[k] != between[k])],
    }
    (folder / "found.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
