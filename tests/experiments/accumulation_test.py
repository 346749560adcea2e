import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.experiments.optimizers import create_variables
from axial_deeplab.experiments.panoptic_task import PanopticTask
from axial_deeplab.experiments.training_step import check_parts
from axial_deeplab.optimization import micro_batches
from tests.experiments import case
from tests.experiments.trainer_case import run, stored

OPTIMIZER = "trainer.optimizer_config.optimizer"
AVERAGE = "trainer.optimizer_config.ema.average_decay=0.9"
SCALED = ["runtime.mixed_precision_dtype=float16", "runtime.loss_scale=16"]


def mean(function, batch, zeros, parts):
    return micro_batches.mean_over_parts(
        lambda part, total: micro_batches.add_share(
            total, function(micro_batches.part_of(batch, part, parts)), parts
        ),
        zeros,
        parts,
    )


def test_parts_are_taken_in_turn_and_averaged():
    batch = {"a": tf.range(6.0), "b": tf.reshape(tf.range(12.0), [6, 2])}
    seen = []

    def function(part):
        seen.append(part["a"].numpy().tolist())
        return tf.reduce_max(part["a"]), None, tf.reduce_sum(part["b"], 0)

    zeros = tf.constant(0.0), tf.constant(0.0), tf.zeros([2])
    largest, nothing, total = mean(function, batch, zeros, 3)
    assert seen == [[0, 1], [2, 3], [4, 5]]
    assert float(largest) == 3 and float(nothing) == 0
    np.testing.assert_allclose(total, [30 / 3, 36 / 3])


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
def test_rows_of_a_table_are_added_up_in_a_graph(options):
    table = tf.Variable(tf.ones([4, 2]))

    def gradient(rows):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.gather(table, rows) ** 2)
        return tape.gradient(loss, table)

    rows = tf.constant([1, 1, 3, 0])

    @tf.function(**options)
    def in_parts(rows):
        return mean(gradient, rows, tf.zeros([4, 2]), 2)

    whole = tf.convert_to_tensor(gradient(rows))
    np.testing.assert_allclose(in_parts(rows), whole)
    if not options:  # XLA needs to know sizes
        any_size = in_parts.get_concrete_function(
            tf.TensorSpec([None], "int32")
        )
        np.testing.assert_allclose(any_size(rows), whole)


def test_weights_without_gradient_are_left_alone(scenes):
    config = case.config(scenes, "task.train_data.global_batch_size=4")
    task = PanopticTask(config.task)
    batch = next(iter(task.build_inputs(config.task.train_data)))
    model = case.PlainModel()
    model.unused = model.add_weight("unused", [2], initializer="ones")
    decay = tf_keras.optimizers.experimental.AdamW(
        0.1, weight_decay=0.1, jit_compile=False
    )
    task.train_step(batch, model, decay, micro_batches=2)
    np.testing.assert_array_equal(model.unused, [1, 1])


@pytest.mark.parametrize(
    "options",
    [
        [f"{OPTIMIZER}.type=radam_lookahead"],
        [f"{OPTIMIZER}.type=radam_lookahead", AVERAGE],
        [f"{OPTIMIZER}.type=grouped_adamw"],
        [f"{OPTIMIZER}.type=sgd", f"{OPTIMIZER}.sgd.nesterov=true", AVERAGE],
        SCALED,
        [*SCALED, AVERAGE],
    ],
    ids=[
        *("radam", "radam average", "adamw", "sgd average", "scaled"),
        "scaled average",
    ],
)
def test_parts_take_the_steps_of_the_whole(scenes, options):
    config = case.config(
        scenes, "task.train_data.global_batch_size=4", *options
    )
    task = PanopticTask(config.task)
    batch = next(iter(task.build_inputs(config.task.train_data)))
    found = []
    for parts in (1, 4):
        model = case.PlainModel()
        start = model.get_weights()
        optimizer = task.create_optimizer(
            config.trainer.optimizer_config, config.runtime
        )
        if AVERAGE in options:
            optimizer.shadow_copy(model)
        create_variables(optimizer, model)
        metrics = task.build_metrics()
        for _ in range(3):
            logs = task.train_step(batch, model, optimizer, metrics, parts)
        means = [float(metric.result()) for metric in metrics]
        averages = getattr(optimizer, "_average_weights", None) or []
        assert int(optimizer.iterations) == 3
        found.append(
            (model.get_weights(), averages, [float(logs["loss"]), *means])
        )
    for ours, theirs in zip(*found, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    moved = [
        np.abs(a - b).max() for a, b in zip(found[0][0], start, strict=True)
    ]
    assert max(moved) > 1e-4


def test_each_part_has_its_own_batch_norm(scenes):
    config = case.config(scenes, "task.train_data.global_batch_size=4")
    task = PanopticTask(config.task)
    batch = next(iter(task.build_inputs(config.task.train_data)))
    model, other = case.toy_model(), case.toy_model()
    for part in (slice(0, 2), slice(2, 4)):
        other(batch[0][part], training=True)
    optimizer = tf_keras.optimizers.SGD(0.0)
    task.train_step(batch, model, optimizer, micro_batches=2)
    for ours, theirs in zip(
        model.non_trainable_weights, other.non_trainable_weights, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
        assert np.abs(ours.numpy()).max() > 0


def test_a_run_counts_steps_of_the_optimizer(scenes, tmp_path, monkeypatch):
    case.use_toy_model(monkeypatch)
    run(scenes, tmp_path, "train", "trainer.accumulation_steps=2")
    values = stored(tmp_path, 2)
    steps = [int(v) for k, v in values.items() if "iterations" in k]
    assert steps == [2]


def test_unequal_parts_are_refused(scenes, tmp_path, monkeypatch):
    case.use_toy_model(monkeypatch)
    with pytest.raises(ValueError, match="accumulation_steps: 3 .* got 2"):
        run(scenes, tmp_path, "train", "trainer.accumulation_steps=3")
    check_parts(parts=2, batch_size=8, replicas=4)
    with pytest.raises(ValueError, match="4 parts on 4 device"):
        check_parts(parts=4, batch_size=8, replicas=4)
