import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.data.pipeline import TARGETS, WEIGHTS
from axial_deeplab.experiments.classification_task import ClassificationTask
from tests.data import labelled_case
from tests.experiments import classification_case as case

LOGITS = tf.constant(
    [[3.0, 1, 2], [0, 0, 0], [1, 5, 1], [0, 0, 0], [9, 9, 9]], tf.float32
)
LABELS = {
    TARGETS: tf.constant([2, 0, 1, 1, 0]),
    WEIGHTS: tf.constant([1.0, 1, 1, 1, 0]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    labelled_case.write_records(folder)
    return folder


def make_task(folder, *options):
    return ClassificationTask(case.config(folder, *options).task)


class Echo(tf_keras.Model):
    """Gives its input as logits."""

    def call(self, x, training=False):
        return x


def test_loss_is_the_smoothed_cross_entropy(folder):
    task = make_task(folder, "task.losses.label_smoothing=0.2")
    reference = tf_keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.2
    )
    expected = reference(
        tf.one_hot(LABELS[TARGETS], 3), LOGITS, LABELS[WEIGHTS]
    )
    losses = task.losses_by_name(LABELS, LOGITS)
    np.testing.assert_allclose(
        losses["classification_loss"], expected, rtol=1e-6
    )


def test_scores_of_a_training_batch(folder):
    # Right: the second (of equal logits the first) and the third image.
    scores = make_task(folder).scores_by_name(
        {TARGETS: LABELS[TARGETS][:4]}, LOGITS[:4]
    )
    assert scores["training_top_1"] == 50


def test_evaluation_counts_images_of_weight(folder, tmp_path):
    task = make_task(folder, "task.losses.label_smoothing=0.0")
    metrics = task.build_metrics(training=False)
    state = None
    for rows in (slice(0, 3), slice(3, 5)):
        labels = {name: values[rows] for name, values in LABELS.items()}
        logs = task.validation_step((LOGITS[rows], labels), Echo(), metrics)
        of_replicas = tf.nest.map_structure(lambda one: (one,), logs)
        state = task.aggregate_logs(state, of_replicas)
    assert task.report is None
    assert task.reduce_aggregated_logs(state) == {}
    logits, targets = LOGITS.numpy()[:4], LABELS[TARGETS].numpy()[:4]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = -np.log(chances[range(4), targets]).mean()
    assert task.report == {
        "top_1": 0.5,
        "top_5": 1.0,
        "loss": pytest.approx(loss, rel=1e-6),
        "images": 4,
    }
    shown = {metric.name: float(metric.result()) for metric in metrics}
    assert shown == {
        "validation_loss": pytest.approx(loss, rel=1e-6),
        "top_1": 50,
        "top_5": 100,
    }


def test_the_fifth_of_six_is_among_the_first_five(folder):
    task = make_task(folder, "task.num_classes=6")
    metrics = task.build_metrics(training=False)
    logits = tf.constant([[6.0, 5, 4, 3, 2, 1]] * 2)
    labels = {TARGETS: tf.constant([4, 5]), WEIGHTS: tf.ones([2])}
    task.validation_step((logits, labels), Echo(), metrics)
    assert [float(metric.result()) for metric in metrics][1:] == [0, 50]


def test_a_step_is_nesterov_sgd_with_decay(folder, monkeypatch):
    case.use_toy_classifier(monkeypatch)
    config = case.config(
        folder,
        "task.losses.weight_decay=0.3",
        "task.losses.label_smoothing=0.1",
        "trainer.optimizer_config.learning_rate.warmup_cosine.warmup_steps=0",
        "trainer.optimizer_config.learning_rate.warmup_cosine."
        "base_learning_rate=0.1",
    )
    task = ClassificationTask(config.task)
    model = task.build_model()
    copy = case.toy_classifier(num_classes=3)
    optimizer = task.create_optimizer(config.trainer.optimizer_config)
    optimizer.shadow_copy(model)
    rate, momentum = 0.1 * 3 / 256, 0.9
    speeds = [tf.zeros_like(w) for w in copy.trainable_weights]
    loss = tf_keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1
    )
    schedule = optimizer.learning_rate
    for step, batch in enumerate(task.build_inputs(config.task.train_data)):
        if step == 2:
            break
        logs = task.train_step(batch, model, optimizer)
        images, labels = batch
        with tf.GradientTape() as tape:
            logits = copy(images, training=True)
            error = loss(tf.one_hot(labels[TARGETS], 3), logits)
        weights = copy.trainable_weights
        decay = sum(0.15 * np.sum(w.numpy() ** 2) for w in weights)
        np.testing.assert_allclose(
            logs["loss"], float(error) + decay, rtol=1e-5
        )
        np.testing.assert_allclose(
            schedule(step),
            rate * (1 + np.cos(np.pi * step / 4)) / 2,
            rtol=1e-6,
        )
        for i, gradient in enumerate(tape.gradient(error, weights)):
            gradient = gradient + 0.3 * weights[i]
            change = -schedule(step) * gradient
            speeds[i] = momentum * speeds[i] + change
            weights[i].assign_add(momentum * speeds[i] + change)
        for ours, theirs in zip(model.weights, copy.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_average_holds_the_statistics_of_the_norms(folder, monkeypatch):
    case.use_toy_classifier(monkeypatch)
    config = case.config(folder)
    task = ClassificationTask(config.task)
    model = task.build_model()
    optimizer = task.create_optimizer(config.trainer.optimizer_config)
    optimizer.shadow_copy(model)
    batch = next(iter(task.build_inputs(config.task.train_data)))
    task.train_step(batch, model, optimizer)
    norm = model.stem.layers[1]
    average = optimizer.get_slot(norm.moving_mean, "average")
    # The first average is nine elevenths of the first value.
    np.testing.assert_allclose(average, norm.moving_mean * 9 / 11, rtol=1e-5)
    assert np.abs(average).max() > 1e-3


def test_smoothing_must_leave_something(folder):
    with pytest.raises(ValueError, match="label_smoothing must be below 1"):
        make_task(folder, "task.losses.label_smoothing=1.0")
