"""Takes training steps on one device and on two; run by `devices_test.py`.

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
import tf_keras
from official.core import config_definitions as cfg

from axial_deeplab.experiments.optimizers import create_variables
from axial_deeplab.experiments.panoptic_task import PanopticTask
from axial_deeplab.experiments.step_line import StepLine
from axial_deeplab.experiments.strategies import make_strategy
from axial_deeplab.experiments.training_step import StepTrainer
from tests.experiments import case

STEPS = 5
Found = dict[str, Any]


def train(
    strategy: tf.distribute.Strategy,
    config: cfg.ExperimentConfig,
    weights: list[np.ndarray] | None,
) -> Found:
    """Weights before and after the steps, losses and gradients of each."""
    with strategy.scope():
        task = PanopticTask(config.task)
        model = case.tiny_axial_deeplab()
        if weights:
            model.set_weights(weights)
        start = model.get_weights()
        optimizer = task.create_optimizer(config.trainer.optimizer_config)
        optimizer.build(model.trainable_variables)
        metrics = task.build_metrics()
    data = iter(
        strategy.distribute_datasets_from_function(
            lambda context: task.build_inputs(config.task.train_data, context)
        )
    )
    shares = recorded_gradients(optimizer)
    losses, gradients = [], []
    for _ in range(STEPS):
        shares.clear()
        batch = next(data)
        logs = strategy.run(task.train_step, (batch, model, optimizer, metrics))
        losses.append(step_losses(strategy, metrics, logs[task.loss]))
        # The optimizer sums what the replicas bring.
        gradients.append([sum(parts) for parts in zip(*shares, strict=True)])
    with contextlib.redirect_stderr(io.StringIO()) as line:
        rate = {"learning_rate": optimizer.learning_rate}
        StepLine(optimizer.iterations, STEPS, 4)(losses[-1] | rate)
    return {
        "start": start,
        "losses": losses,
        "gradients": gradients,
        "end": model.get_weights(),
        "moving": [w.numpy() for w in model.non_trainable_weights],
        "line": line.getvalue(),
    }


def trained_in_parts(
    strategy: tf.distribute.Strategy,
    scenes: pathlib.Path,
    parts: int,
    steps: int = 3,
) -> Found:
    """Weights and losses of a model without norms, by the trainer's loop."""
    config = case.config(
        scenes,
        "task.train_data.global_batch_size=8",
        f"trainer.accumulation_steps={parts}",
    )
    with strategy.scope():
        task = PanopticTask(config.task)
        model = case.PlainModel()
        optimizer = task.create_optimizer(config.trainer.optimizer_config)
        create_variables(optimizer, model)
        trainer = StepTrainer(
            config, task, model, optimizer, train=True, evaluate=False
        )
        start = model.get_weights()
        logs = trainer.train(tf.constant(steps))
        loop = trainer._train_loop_fn.get_concrete_function(
            trainer._train_iter, tf.constant(steps)
        )
    graph = loop.graph.as_graph_def()
    losses = [float(logs[one]) for one in (*task.loss_names, "training_loss")]
    nodes = sum(len(one.node_def) for one in graph.library.function)
    return {
        "start": start,
        "end": model.get_weights(),
        "losses": losses,
        "steps": int(optimizer.iterations.numpy()),
        "nodes": nodes + len(graph.node),
    }


def parts_and_whole(
    two_devices: tf.distribute.Strategy, scenes: pathlib.Path
) -> Found:
    """Steps with the whole batch on one device, and in parts on two.

    The strategy is that of the steps before: sums of another one in the same
    process would have the numbers of its sums.
    """
    one_device = tf.distribute.OneDeviceStrategy("CPU:0")
    whole = trained_in_parts(one_device, scenes, 1)
    two, four = (trained_in_parts(two_devices, scenes, n) for n in (2, 4))
    found = whole, two, four
    return {
        "moved": largest(whole["start"], whole["end"]),
        "weights": [largest(whole["end"], one["end"]) for one in (two, four)],
        "losses": [one["losses"] for one in found],
        "steps": [one["steps"] for one in found],
        "nodes": [two["nodes"], four["nodes"]],
    }


def recorded_gradients(optimizer: Any) -> list[list[np.ndarray]]:
    """The gradients that each replica will have applied."""
    shares, apply = [], optimizer.apply_gradients

    def record(pairs, *args, **kwargs):
        pairs = list(pairs)
        shares.append([gradient.numpy() for gradient, _ in pairs])
        return apply(pairs, *args, **kwargs)

    optimizer.apply_gradients = record
    return shares


def step_losses(
    strategy: tf.distribute.Strategy, metrics: list, total: Any
) -> dict[str, float]:
    losses = {metric.name: float(metric.result()) for metric in metrics}
    for metric in metrics:
        metric.reset_state()
    total = strategy.reduce("MEAN", total, axis=None)
    return losses | {"training_loss": float(total)}


def largest(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """The largest difference of any entries."""
    pairs = zip(first, second, strict=True)
    return max(float(np.max(np.abs(a - b))) for a, b in pairs)


def main(path: str) -> None:
    devices = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        devices[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    options = (
        "task.train_data.global_batch_size=4",
        "task.train_data.shuffle_buffer_size=1",
        "task.train_data.flip=false",
        f"{case.SCHEDULE}.base_learning_rate=0.001",
    )
    scenes = case.write_scenes(pathlib.Path(tempfile.mkdtemp()))
    # With some weights, rounding moves a value across a kink of the model.
    tf_keras.utils.set_random_seed(1)
    found = []
    for name in ("one_device", "mirrored"):
        choice = f"runtime.distribution_strategy={name}"
        config = case.config(scenes, *options, choice)
        strategy = make_strategy(config.runtime)
        start = found[0]["start"] if found else None
        found.append(train(strategy, config, start))
        found[-1]["replicas"] = strategy.num_replicas_in_sync
    one, two = found
    sizes = [max(np.max(np.abs(g)) for g in step) for step in one["gradients"]]
    result = {name: [one[name], two[name]] for name in ("losses", "line")}
    result |= {
        "replicas": [one["replicas"], two["replicas"]],
        "moved": largest(one["start"], one["end"]),
        "differences": {
            "weights": largest(one["end"], two["end"]),
            "moving": largest(one["moving"], two["moving"]),
            "gradients": [
                largest(*steps) / float(size)
                for *steps, size in zip(
                    one["gradients"], two["gradients"], sizes, strict=True
                )
            ],
        },
    }
    result["parts"] = parts_and_whole(strategy, scenes)
    pathlib.Path(path).write_text(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
