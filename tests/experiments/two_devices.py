"""Takes training steps on one device and on two; prints what came out.

A program of its own: the number of devices is fixed with the first use of
TensorFlow. Prints a JSON object {name: [on one device, on two]}.
"""

import json
import pathlib
import sys
import tempfile
from typing import Any

import numpy as np
import tensorflow as tf

from axial_deeplab.experiments.panoptic_task import PanopticTask
from tests.experiments import case

STEPS = 2


def steps(
    strategy: tf.distribute.Strategy, config: Any, weights: list | None
) -> tuple[list[np.ndarray], list[float], list[np.ndarray]]:
    """Initial weights, the losses of the steps, and the weights after them."""
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
    losses = []
    for _, inputs in zip(range(STEPS), data, strict=False):
        logs = strategy.run(
            task.train_step, args=(inputs, model, optimizer, metrics)
        )
        loss = strategy.reduce("MEAN", logs[task.loss], axis=None)
        losses += [float(loss), *(float(m.result()) for m in metrics)]
    return start, losses, model.get_weights()


def main() -> None:
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
    start, losses, after = steps(one, config, None)
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    _, losses_of_two, after_two = steps(two, config, start)
    differences = [
        float(np.max(np.abs(ours - theirs)))
        for ours, theirs in zip(after, after_two, strict=True)
    ]
    moved = [
        float(np.max(np.abs(ours - theirs)))
        for ours, theirs in zip(after, start, strict=True)
    ]
    json.dump(
        {
            "losses": [losses, losses_of_two],
            "weights": [max(moved), max(differences)],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
