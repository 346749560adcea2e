"""Takes a training step on one device and on two; run by `devices_test.py`.

A process of its own: the number of devices is fixed with the first use of
TensorFlow. Writes what it found as JSON to the path given as first argument.
"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
from typing import Any

import numpy as np
import tensorflow as tf

from axial_deeplab.experiments.panoptic_task import PanopticTask
from axial_deeplab.experiments.step_line import StepLine
from tests.experiments import case


def step(
    strategy: tf.distribute.Strategy, config: Any, weights: list | None
) -> tuple[list[np.ndarray], dict[str, float], list[np.ndarray], str]:
    """Initial weights, the losses of a step, the weights after it, its line."""
    with strategy.scope():
        task = PanopticTask(config.task)
        model = case.tiny_axial_deeplab()
        if weights:
            model.set_weights(weights)
        start = model.get_weights()
        optimizer = task.create_optimizer(config.trainer.optimizer_config)
        optimizer.build(model.trainable_variables)
        metrics = task.build_metrics()
    data = strategy.distribute_datasets_from_function(
        lambda context: task.build_inputs(config.task.train_data, context)
    )
    logs = strategy.run(
        task.train_step, args=(next(iter(data)), model, optimizer, metrics)
    )
    losses = {metric.name: float(metric.result()) for metric in metrics}
    total = strategy.reduce("MEAN", logs[task.loss], axis=None)
    losses["training_loss"] = float(total)
    with contextlib.redirect_stderr(io.StringIO()) as line:
        rate = {"learning_rate": optimizer.learning_rate}
        StepLine(optimizer.iterations, 1)(losses | rate)
    return start, losses, model.get_weights(), line.getvalue()


def main(path: str) -> None:
    devices = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        devices[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    folder = pathlib.Path(tempfile.mkdtemp())
    config = case.config(
        case.write_scenes(folder),
        "task.train_data.global_batch_size=4",
        "task.train_data.shuffle_buffer_size=1",
        "task.train_data.flip=false",
    )
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    start, losses, weights, line = step(one, config, None)
    _, other_losses, other_weights, other_line = step(two, config, start)

    def largest(first, second):
        pairs = zip(first, second, strict=True)
        return max(float(np.max(np.abs(a - b))) for a, b in pairs)

    found = {
        "losses": [losses, other_losses],
        "lines": [line, other_line],
        "moved": largest(weights, start),
        "difference": largest(weights, other_weights),
    }
    pathlib.Path(path).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
