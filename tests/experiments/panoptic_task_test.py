import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.data.pipeline import TARGETS, WEIGHTS
from axial_deeplab.experiments import image_task, panoptic_task
from axial_deeplab.losses import panoptic_losses
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.postprocess import panoptic_prediction
from tests.experiments import case

LOSS_NAMES = {
    keys.SEMANTIC_LOGITS: "semantic_loss",
    keys.CENTER_HEATMAP: "center_loss",
    keys.CENTER_OFFSET: "offset_loss",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = case.write_scenes(tmp_path_factory.mktemp("scenes"))
    rate = "trainer.optimizer_config.learning_rate.warmup_poly"
    return case.config(
        folder,
        f"{rate}.base_learning_rate=0.01",
        # As `panoptic_losses()`, whatever the experiment chooses.
        "task.losses.top_k_fraction=0.2",
        "task.losses.semantic_weight=1.0",
        "task.losses.center_weight=200.0",
        "task.losses.offset_weight=0.01",
    )


@pytest.fixture(scope="module")
def task(config):
    return panoptic_task.PanopticTask(config.task)


@pytest.fixture(scope="module")
def batches(config, task):
    """Two batches of Model Garden's door: images and labels."""
    return list(task.build_inputs(config.task.train_data).take(2))


@pytest.fixture(
    scope="module",
    params=[(case.tiny_axial_deeplab, True), (case.toy_model, False)],
    ids=["axial_deeplab eagerly", "convolutions as graph"],
)
def doors(request, config):
    """Per door a model of the same weights and an optimizer; eager or not."""
    build, eagerly = request.param
    first, second = build(), build()
    second.set_weights(first.get_weights())
    optimizers = [
        panoptic_task.PanopticTask.create_optimizer(
            config.trainer.optimizer_config
        )
        for _ in range(2)
    ]
    second.compile(optimizers[1], loss=panoptic_losses(), run_eagerly=eagerly)
    return first, optimizers[0], second, eagerly


def keras_batch(batch):
    """(images, targets, weights), as `model.fit` takes it."""
    images, labels = batch
    return images, labels[TARGETS], labels[WEIGHTS]


def assert_same_losses(task_losses, keras_losses):
    assert set(keras_losses) == {"loss", *(f"{k}_loss" for k in LOSS_NAMES)}
    for key, name in LOSS_NAMES.items():
        np.testing.assert_allclose(
            keras_losses[f"{key}_loss"], task_losses[name], 1e-5, err_msg=name
        )
        assert task_losses[name] > 0
    np.testing.assert_allclose(keras_losses["loss"], task_losses["loss"], 1e-5)


def assert_same_weights(first, second, atol=1e-6):
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-6, atol=atol, err_msg=ours.name
        )


def test_both_doors_evaluate_to_the_same_loss(task, doors, batches):
    model, _, compiled, _ = doors
    images, labels = batches[0]
    outputs = model(images, training=False)
    losses = task.losses_by_name(labels, outputs)
    losses["loss"] = task.build_losses(labels, outputs)
    assert_same_losses(
        losses,
        compiled.test_on_batch(*keras_batch(batches[0]), return_dict=True),
    )
    dataset = tf.data.Dataset.from_tensors(keras_batch(batches[0]))
    assert_same_losses(
        losses, compiled.evaluate(dataset, return_dict=True, verbose=0)
    )


def test_both_doors_take_the_same_steps(task, doors, batches):
    model, optimizer, compiled, eagerly = doors
    metrics = task.build_metrics(training=True)
    step = task.train_step if eagerly else tf.function(task.train_step)
    optimizer.build(model.trainable_variables)
    start = model.get_weights()
    for number, batch in enumerate(batches, start=1):
        logs = step(batch, model, optimizer, metrics)
        losses = {metric.name: metric.result() for metric in metrics}
        assert_same_losses(
            losses | {"loss": logs["loss"]},
            compiled.train_on_batch(*keras_batch(batch), return_dict=True),
        )
        for metric in metrics:
            metric.reset_state()
        assert_same_weights(model, compiled)
        assert optimizer.iterations == number
    moved = [
        np.any(before != after)
        for before, after in zip(start, model.get_weights(), strict=True)
    ]
    assert np.mean(moved) > 0.9
    # And on through `fit`, over a data set of both batches.
    history = compiled.fit(
        tf.data.Dataset.from_generator(
            lambda: map(keras_batch, batches),
            output_signature=tf.nest.map_structure(
                lambda x: tf.TensorSpec(x.shape, x.dtype),
                keras_batch(batches[0]),
            ),
        ),
        verbose=0,
    )
    totals = [step(b, model, optimizer, metrics)["loss"] for b in batches]
    np.testing.assert_allclose(history.history["loss"], np.mean(totals), 1e-5)
    assert_same_weights(model, compiled)


def test_auxiliary_losses_are_added(task, batches):
    images, labels = batches[0]
    outputs = case.toy_model()(images)
    plain = task.build_losses(labels, outputs)
    more = task.build_losses(labels, outputs, [tf.constant(2.0)])
    np.testing.assert_allclose(more, plain + 2, rtol=1e-6)


def test_loss_settings_reach_the_losses(config, batches):
    settings = config.task.as_dict()
    settings["losses"] |= {
        "top_k_fraction": 0.7,
        "semantic_weight": 2.0,
        "center_weight": 3.0,
        "offset_weight": 5.0,
    }
    changed = panoptic_task.PanopticTask(type(config.task)(settings))
    images, labels = batches[0]
    outputs = case.toy_model()(images)
    losses = changed.losses_by_name(labels, outputs)
    expected = panoptic_losses(0.7, 2.0, 3.0, 5.0)
    for key, name in LOSS_NAMES.items():
        value = tf.reduce_mean(
            expected[key].per_sample(
                labels[TARGETS][key], outputs[key], labels[WEIGHTS][key]
            )
        )
        np.testing.assert_allclose(losses[name], value, rtol=1e-6)


def test_model_gets_its_options(config, monkeypatch):
    seen = {}

    def build(name, **options):
        seen.update(options, name=name)

    monkeypatch.setattr(image_task, "create_model", build)
    settings = config.task.as_dict()
    settings["model"] = {
        "name": "axial_deeplab_m",
        "output_stride": 32,
        "span": 5,
        "width": 0.5,
        "aspp": True,
        "decoder": "axial",
        "drop_path": 0.2,
        "recompute": True,
        "norm_momentum": 0.8,
        "norm_epsilon": 0.01,
    }
    panoptic_task.PanopticTask(type(config.task)(settings)).build_model()
    norm = seen.pop("norm")
    assert (norm.momentum, norm.epsilon) == (0.8, 0.01)
    names = ("norm_momentum", "norm_epsilon")
    expected = {k: v for k, v in settings["model"].items() if k not in names}
    assert seen == expected | {"num_classes": case.NUM_CLASSES}


def test_model_of_the_configuration_is_built(config):
    settings = config.task.as_dict()
    settings["model"] |= {"width": 0.0625}
    model = panoptic_task.PanopticTask(
        type(config.task)(settings)
    ).build_model()
    assert isinstance(model, tf_keras.Model)
    outputs = model(tf.zeros([1, 20, 30, 3], tf.uint8))
    assert outputs[keys.SEMANTIC_LOGITS].shape == (1, 20, 30, case.NUM_CLASSES)


def test_postprocessing_follows_data_set_and_options(config):
    settings = panoptic_task.panoptic_settings(config.task)
    spec = panoptic_task.PanopticTask(config.task).spec
    assert settings.thing_ids == spec.thing_ids
    assert settings.label_divisor == spec.label_divisor
    options = config.task.postprocess.as_dict()
    assert options.items() <= vars(settings).items()


def test_evaluation_averages_over_scales_and_flip(config, batches):
    options = {"multi_scale": {"scales": [0.5, 1.0], "flip": True}}
    changed = panoptic_task.PanopticTask(config.task.replace(**options))
    model = case.toy_model()
    images, labels = batches[0]
    labels = labels | {
        name: tf.ones([2], tf.int32)
        for name in (keys.IMAGE_ID, keys.HEIGHT, keys.WIDTH)
    }
    labels[keys.PANOPTIC] = tf.zeros(images.shape[:3], tf.int32)
    logs = changed.validation_step((images, labels), model)
    means = MultiScale((0.5, 1.0), flip=True).predict(model, images)
    expected = panoptic_prediction(
        means[keys.SEMANTIC_PROBABILITIES],
        means[keys.CENTER_HEATMAP],
        means[keys.CENTER_OFFSET],
        panoptic_task.panoptic_settings(config.task),
    )
    np.testing.assert_array_equal(logs["predicted"], expected[keys.PANOPTIC])
    assert logs[changed.loss] == changed.build_losses(labels, means)
