"""Measures one kind of training step, in a process of its own.

    python -m axial_deeplab.costs.training_step CASE

CASE is a `TrainingCase` as JSON. For each line on standard input the process
takes a step and answers with a line; between them it sleeps, so that of
several processes only one computes. The first step is not counted. When the
input ends it measures the input pipeline, and writes what it found as JSON:

    {"seconds": [...], "baseline_bytes": ..., "peak_bytes": ...,
     "all_reduced_bytes": ..., "pipeline_images": images per second}

A step is that of `model.fit` with this package's losses and its RAdam and
Lookahead, on a batch that lies in memory. The baseline is what is resident
once weights, optimizer and batch are there and the step is traced; the peak is
the largest resident size of the process until the last step. Linux only.
"""

import functools
import gc
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.costs.collectives import all_reduced_bytes
from axial_deeplab.costs.training_case import TrainingCase
from axial_deeplab.data import convert_shapes, shards
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.pipeline import PipelineConfig, make_dataset
from axial_deeplab.losses import panoptic_losses
from axial_deeplab.models.presets import create_model
from axial_deeplab.optimization import Lookahead, RectifiedAdam
from axial_deeplab.optimization.micro_batches import (
    add_share,
    mean_over_parts,
    part_of,
)

_SCENES = 16
_PIPELINE_SECONDS = 3.0


def main(text: str) -> None:
    """Does what the module says."""
    # The first to go where memory runs out, before whoever started it.
    pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
    fields = json.loads(text)
    case = TrainingCase(**fields | {"size_px": tuple(fields["size_px"])})
    strategy = _strategy(case.replicas)
    mixed = "" if case.dtype == "float32" else "mixed_"
    tf_keras.mixed_precision.set_global_policy(mixed + case.dtype)
    with strategy.scope():
        model = _compiled_model(case)
    step, reduced = _traced_step(strategy, model, case)
    gc.collect()
    baseline = _resident_bytes("VmRSS")
    seconds = [_timed(step) for _ in _turns()][1:]
    measured = {
        "seconds": seconds,
        "baseline_bytes": baseline,
        "peak_bytes": _resident_bytes("VmHWM"),
        "all_reduced_bytes": reduced,
        "pipeline_images": _pipeline_rate(strategy, case),
    }
    _answer(json.dumps(measured))


def _strategy(replicas: int) -> tf.distribute.Strategy:
    """On GPUs where there are some, else on parts of the CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * replicas,
        )
    elif len(gpus) < replicas:
        raise ValueError(f"{replicas} replicas; there are {len(gpus)} GPUs.")
    kind = "GPU" if gpus else "CPU"
    devices = [f"{kind}:{index}" for index in range(replicas)]
    if replicas == 1:
        return tf.distribute.OneDeviceStrategy(devices[0])
    return tf.distribute.MirroredStrategy(devices)


def _compiled_model(case: TrainingCase) -> tf_keras.Model:
    model = create_model(case.model, **case.options)
    if not hasattr(model, "decoder"):
        raise ValueError(f"{case.model} is no panoptic or semantic model.")
    losses = panoptic_losses()
    losses = {name: losses[name] for name in _channels(model)}
    model.compile(Lookahead(RectifiedAdam(1e-3)), loss=losses)
    model.optimizer.build(model.trainable_variables)
    return model


def _channels(model: tf_keras.Model) -> dict[str, int]:
    """Channels by name of the output."""
    outputs = model(tf.zeros([1, 32, 32, 3]))
    return {name: value.shape[-1] for name, value in outputs.items()}


def _traced_step(
    strategy: tf.distribute.Strategy, model: tf_keras.Model, case: TrainingCase
) -> tuple[Callable[[], Any], int]:
    """A function that takes a step, and the bytes that one all-reduces."""
    shape = case.batch // case.replicas, *case.size_px
    batch = tf.data.Dataset.from_tensors(_batch(shape, _channels(model)))
    iterator = iter(
        strategy.distribute_datasets_from_function(lambda _: batch.repeat())
    )

    replica_step = model.train_step
    if case.accumulation > 1:
        replica_step = functools.partial(_step_in_parts, model, case)

    @tf.function(autograph=False)
    def step(iterator):
        return strategy.run(replica_step, (next(iterator),))

    graph = step.get_concrete_function(iterator).graph
    return lambda: step(iterator), all_reduced_bytes(graph, case.replicas)


def _step_in_parts(
    model: tf_keras.Model, case: TrainingCase, batch: tuple
) -> None:
    """A step as `trainer.accumulation_steps` takes it."""
    weights, parts = model.trainable_weights, case.accumulation

    def add_part(part: tf.Tensor, mean: list[tf.Tensor]) -> list[tf.Tensor]:
        images, targets, shares = part_of(batch, part, parts)
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = model.compute_loss(images, targets, outputs, shares)
        return add_share(mean, tape.gradient(loss, weights), parts)

    zeros = [tf.zeros(one.shape) for one in weights]
    mean = mean_over_parts(add_part, zeros, parts)
    model.optimizer.apply_gradients(zip(mean, weights, strict=True))


def _batch(
    shape: tuple[int, int, int], channels: dict[str, int]
) -> tuple[np.ndarray, dict, dict]:
    """Noise [B, H, W, ...] in the form of training data for these outputs."""
    rng = np.random.default_rng(0)
    targets = {
        name: rng.random((*shape, count), np.float32)
        for name, count in channels.items()
    }
    targets[keys.SEMANTIC_LOGITS] = rng.integers(
        0, channels[keys.SEMANTIC_LOGITS], shape, np.int32
    )
    weights = dict.fromkeys(targets, np.ones(shape, np.float32))
    return 255 * rng.random((*shape, 3), np.float32), targets, weights


def _pipeline_rate(
    strategy: tf.distribute.Strategy, case: TrainingCase
) -> float:
    """Images a second of the input pipeline alone, on synthetic scenes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "scenes.tfrecord")
        record = functools.partial(
            convert_shapes.shapes_record,
            seed=0,
            split="train",
            size_px=case.size_px,
        )
        list(shards.write_shards([path], range(_SCENES), record))
        config = PipelineConfig(
            str(path),
            crop_size_px=case.size_px,
            batch_size=case.batch,
            augmentation=Augmentation((0.5, 2.0)),
            repeat=True,
        )
        data = make_dataset(config, dataset_spec("shapes"))
        return _rate(iter(strategy.experimental_distribute_dataset(data)), case)


def _rate(batches: Iterator[Any], case: TrainingCase) -> float:
    for _ in range(-(-_SCENES // case.batch)):  # until the buffers are full
        next(batches)
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < _PIPELINE_SECONDS:
        next(batches)
        images += case.batch
    return images / (time.perf_counter() - start)


def _timed(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    step()
    tf.test.experimental.sync_devices()
    return time.perf_counter() - start


def _turns() -> Iterator[None]:
    """One for each line of the input, answered when it is done."""
    for _ in sys.stdin:
        yield
        _answer("done")


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _resident_bytes(name: str) -> int:
    """An entry of /proc/self/status, which counts in KiB."""
    with open("/proc/self/status", encoding="ascii") as file:
        entries = dict(line.split(":", 1) for line in file)
    return int(entries[name].split()[0]) * 1024


if __name__ == "__main__":
    main(sys.argv[1])
