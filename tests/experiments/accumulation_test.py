import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.experiments.optimizers import create_variables
from axial_deeplab.experiments.panoptic_task import PanopticTask
from axial_deeplab.experiments.training_step import check_parts
from axial_deeplab.optimization.micro_batches import mean_over_parts
from tests.experiments import case
from tests.experiments.trainer_case import run, stored

OPTIMIZER = "trainer.optimizer_config.optimizer"
AVERAGE = "trainer.optimizer_config.ema.average_decay=0.9"


class PlainModel(tf_keras.Model):
    """Three heads without a batch norm."""

    def __init__(self):
        super().__init__()
        filters = {
            keys.SEMANTIC_LOGITS: case.NUM_CLASSES,
            keys.CENTER_HEATMAP: 1,
            keys.CENTER_OFFSET: 2,
        }
        start = tf_keras.initializers.RandomNormal(stddev=0.1, seed=3)
        self.heads = {
            key: tf_keras.layers.Conv2D(
                count, 3, padding="same", kernel_initializer=start
            )
            for key, count in filters.items()
        }
        self.build((None, None, None, 3))

    def call(self, images, training=False):
        return {k: head(images / 255 - 0.5) for k, head in self.heads.items()}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return case.write_scenes(tmp_path_factory.mktemp("scenes"))


def test_parts_are_taken_in_turn_and_averaged():
    batch = {"a": tf.range(6.0), "b": tf.reshape(tf.range(12.0), [6, 2])}
    seen = []

    def function(part):
        seen.append(part["a"].numpy().tolist())
        return tf.reduce_max(part["a"]), None, tf.reduce_sum(part["b"], 0)

    largest, nothing, total = mean_over_parts(function, batch, 3)
    assert seen == [[0, 1], [2, 3], [4, 5]]
    assert float(largest) == 3 and nothing is None
    np.testing.assert_allclose(total, [30 / 3, 36 / 3])


def test_rows_of_a_table_are_added_up():
    table = tf.Variable(tf.ones([4, 2]))

    def gradient(rows):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.gather(table, rows) ** 2)
        found = tape.gradient(loss, table)
        return tf.convert_to_tensor(found) if rows.shape[0] == 4 else found

    rows = tf.constant([1, 1, 3, 0])
    whole = mean_over_parts(gradient, rows, 1)
    np.testing.assert_allclose(mean_over_parts(gradient, rows, 2), whole)


@pytest.mark.parametrize(
    "options",
    [
        [f"{OPTIMIZER}.type=radam_lookahead"],
        [f"{OPTIMIZER}.type=radam_lookahead", AVERAGE],
        [f"{OPTIMIZER}.type=grouped_adamw"],
        [f"{OPTIMIZER}.type=sgd", f"{OPTIMIZER}.sgd.nesterov=true", AVERAGE],
        ["runtime.mixed_precision_dtype=float16", "runtime.loss_scale=16"],
    ],
    ids=["radam", "radam average", "adamw", "sgd average", "scaled"],
)
def test_parts_take_the_steps_of_the_whole(scenes, options):
    config = case.config(
        scenes, "task.train_data.global_batch_size=4", *options
    )
    task = PanopticTask(config.task)
    batch = next(iter(task.build_inputs(config.task.train_data)))
    found = []
    for parts in (1, 4):
        model = PlainModel()
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
