import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data.pipeline import TARGETS, WEIGHTS
from axial_deeplab.experiments import config_options, image_task, trainer
from axial_deeplab.experiments.segmentation_task import segmentation_pipeline
from axial_deeplab.experiments.semantic_configs import SEMANTIC_EXPERIMENTS
from axial_deeplab.experiments.semantic_task import SemanticTask
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.models.sliding_windows import SlidingWindows
from axial_deeplab.optimization import GroupedAdamW, WarmUpTimesPoly
from tests.experiments import case
from tests.models.tiny_models import tiny_semantic

KEY = keys.SEMANTIC_LOGITS
SCHEDULE = "trainer.optimizer_config.learning_rate.warmup_times_poly"


def _build(num_classes, **_):
    model = tiny_semantic(num_classes)
    model.build((None, None, None, 3))
    return model


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = case.write_scenes(tmp_path_factory.mktemp("scenes"))
    return config_options.experiment_config(
        "segnext_shapes",
        params_override=case.override(folder).replace(case.SCHEDULE, SCHEDULE),
    )


@pytest.fixture(scope="module")
def task(config):
    return SemanticTask(config.task)


def _labels(classes, weights):
    return {TARGETS: {KEY: classes}, WEIGHTS: {KEY: weights}}


def test_loss_is_the_mean_over_all_pixels(task):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    classes = rng.integers(0, 5, (2, 3, 4))
    weights = np.float32(rng.random((2, 3, 4)) < 0.5)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    picked = np.take_along_axis(chances, classes[..., np.newaxis], -1)[..., 0]
    expected = np.sum(-np.log(picked) * weights) / weights.size
    losses = task.losses_by_name(_labels(classes, weights), {KEY: logits})
    assert list(losses) == ["semantic_loss"]
    loss = losses["semantic_loss"].numpy()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_evaluation_counts_pixels_without_padding(task):
    truth = np.zeros((2, 4, 4), np.int32)
    truth[1, 2:] = 1
    truth[0, 3] = task.spec.ignore_label
    predicted = np.zeros((2, 4, 4), np.int32)
    predicted[:, :, 3] = 1  # the padding of the second
    logs = {
        "truth": (tf.constant(truth),),
        "predicted": (tf.constant(predicted),),
        "sizes": {
            keys.HEIGHT: (tf.constant([4, 4]),),
            keys.WIDTH: (tf.constant([4, 3]),),
        },
        "pictures": (tf.zeros([2, 4, 4, 3], tf.uint8),),
    }
    metrics = task.reduce_aggregated_logs(task.aggregate_logs(None, logs))
    # Class 0: 9 + 6 right, 3 missed, 6 too many; class 1: 0 of 3 + 6.
    assert metrics["mean_iou"] == pytest.approx(100 * (15 / 24 + 0) / 2)
    named = {one["name"]: one["iou"] for one in task.report["classes"]}
    assert named[task.spec.classes[0].name] == pytest.approx(15 / 24)
    assert "62.50" in task.format_report(task.report)


def test_evaluation_averages_over_scales_and_windows(config):
    """The loss takes the mean logits, the classes the mean probabilities."""
    scales = {"scales": [0.5, 1.0], "flip": True}
    override = {"multi_scale": scales, "windows_px": [9, 7]}
    task = SemanticTask(config.task.replace(**override))
    rng = np.random.default_rng(0)
    images = tf.constant(rng.uniform(0, 255, (2, 13, 17, 3)), tf.float32)
    labels = {
        **_labels(np.zeros((2, 13, 17), np.int32), np.ones((2, 13, 17))),
        **{
            keys.HEIGHT: tf.constant([13, 13]),
            keys.WIDTH: tf.constant([17, 17]),
        },
        keys.PANOPTIC: tf.zeros([2, 13, 17], tf.int32),
    }

    def model(images, training):
        """What a class gets depends on all that is seen."""
        mean = tf.reduce_mean(images, [1, 2], keepdims=True)
        missing = [[0, 0]] * 3 + [[0, task.num_classes - 3]]
        return {KEY: tf.pad((images - mean) / 50, missing)}

    found = task.validation_step((images, labels), model)
    windows = SlidingWindows(task.num_classes, 9, 7)
    run = windows.around(lambda x: model(x, training=False))
    outputs = MultiScale(**scales).predict(run, images)
    expected = tf.argmax(outputs[keys.SEMANTIC_PROBABILITIES], -1)
    np.testing.assert_array_equal(found["predicted"], expected)
    plain = SemanticTask(config.task).validation_step((images, labels), model)
    assert (found["predicted"].numpy() != plain["predicted"].numpy()).any()


def test_windows_need_side_and_stride(config):
    with pytest.raises(ValueError, match=r"windows_px must be \[side, stride"):
        SemanticTask(config.task.replace(windows_px=[9]))


def test_experiment_trains_and_evaluates(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        image_task, "create_model", lambda name, **options: _build(**options)
    )
    model, report = trainer.run_experiment(
        config, "train_and_eval", str(tmp_path)
    )
    assert 0 <= report["mean_iou"] <= 1
    assert len(report["classes"]) == case.NUM_CLASSES
    assert (tmp_path / "evaluation.json").is_file()
    assert model.head.channels == case.NUM_CLASSES


def test_optimizer_is_that_of_the_recipe():
    config = config_options.experiment_config("segnext_t_coco_stuff")
    optimizer = SemanticTask.create_optimizer(config.trainer.optimizer_config)
    assert type(optimizer) is GroupedAdamW
    assert optimizer.weight_decay == 0.01
    assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.999)
    assert optimizer.rates == {r"^(decoder|head)/": 10.0}
    schedule = optimizer._learning_rate
    assert type(schedule) is WarmUpTimesPoly
    assert schedule.base_learning_rate == 6e-5
    assert (schedule.total_steps, schedule.warmup_steps) == (80_000, 1500)


@pytest.mark.parametrize("name", SEMANTIC_EXPERIMENTS)
def test_every_experiment_has_options_that_fit(name):
    config = config_options.experiment_config(name)
    assert name.startswith((f"{config.task.model.name}_", "segnext_shapes"))
    assert SemanticTask(config.task).num_classes > 1
    for data in (config.task.train_data, config.task.validation_data):
        data = data.replace(input_path="some")
        pipeline = segmentation_pipeline(data)
        assert pipeline.training == data.is_training


def test_model_gets_its_options(config, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        image_task,
        "create_model",
        lambda name, **options: seen.update(options, name=name),
    )
    SemanticTask(config.task).build_model()
    norm = seen.pop("norm")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    assert seen == {
        "name": "segnext_t",
        "num_classes": case.NUM_CLASSES,
        "drop_path": 0.0,
        "recompute": False,
        "decoder": "hamburger",
        "draw": "training",
    }
