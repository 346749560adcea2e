import json
import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from absl import flags
from PIL import Image

from axial_deeplab import evaluation, keys
from axial_deeplab.data import convert_shapes, shards, tfrecord_schema
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.experiments import image_task, trainer
from axial_deeplab.experiments.panoptic_evaluation import (
    METRICS,
    PanopticEvaluation,
    summary_metrics,
)
from tests.experiments import case
from tools import evaluate

SPEC = dataset_spec("shapes")
SIZES_PX = [(40, 36), (33, 48), (36, 36), (48, 40), (33, 33)]
STEP = 25  # of the red channel from class to class


def scene(index):
    return convert_shapes.render_split_scene(5, "val", index, SIZES_PX[index])


def telling_image(panoptic):
    """An image whose colours tell its truth, somewhat displaced.

    Red is the class, green and blue lead to the middle of the segment.
    """
    image = np.full((*panoptic.shape, 3), 128, np.uint8)
    for panoptic_id in np.unique(panoptic):
        mask = panoptic == panoptic_id
        places = np.argwhere(mask)
        label = panoptic_id // SPEC.label_divisor
        image[mask, 0] = STEP * min(label, SPEC.num_classes - 1)
        if label in SPEC.thing_ids:
            way = np.round(places.mean(0)).astype(int) - places
            image[mask, 1:] = (128 + way).astype(np.uint8)
    return np.roll(image, (2, 1), axis=(0, 1))


@tf_keras.saving.register_keras_serializable("axial_deeplab_tests")
class Reader(tf_keras.Model):
    """Reads what `telling_image` tells; padding is the class 0."""

    def build(self, input_shape):
        self.gain = self.add_weight(name="gain", initializer="ones")
        super().build(input_shape)

    def call(self, images, training=False):
        images = tf.cast(images, tf.float32)
        is_padding = images[..., 1:2] == 127.5
        label = tf.where(is_padding, 0.0, images[..., :1] / STEP)
        classes = tf.range(SPEC.num_classes, dtype=tf.float32)
        offset = tf.where(is_padding, 20.0, images[..., 1:] - 128)
        is_thing = label >= min(SPEC.thing_ids)
        distance = tf.reduce_sum(offset**2, axis=-1, keepdims=True)
        return {
            keys.SEMANTIC_LOGITS: -20 * self.gain * (label - classes) ** 2,
            keys.CENTER_HEATMAP: self.gain
            * tf.where(is_thing, tf.exp(-distance / 8), 0.0),
            keys.CENTER_OFFSET: self.gain * offset,
        }


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Evaluates `Reader` in batches of two; gives report and model folder."""

    def record(index):
        panoptic = scene(index)[1]
        picture = convert_shapes.png_bytes(telling_image(panoptic))
        name = f"{index:012d}.png"
        return tfrecord_schema.encode_example(picture, "png", name, panoptic)

    for split in ("train", "val"):
        paths = [tmp_path / shards.shard_name(split, 0, 1)]
        list(shards.write_shards(paths, range(len(SIZES_PX)), record))

    def build(**_):
        model = Reader()
        model.build((None, None, None, 3))
        return model

    monkeypatch.setattr(image_task, "create_model", build)

    def run(crop_px, *options):
        rate = "trainer.optimizer_config.learning_rate.warmup_poly"
        config = case.config(
            tmp_path,
            f"{rate}.base_learning_rate=0.0",
            "task.prediction_subdir=found/files",
            "task.postprocess.nms_kernel_px=3",
            "task.postprocess.stuff_area_limit_px=20",
            "trainer.train_steps=1",
            *options,
            crop_px=crop_px,
        )
        folder = tmp_path / f"run{crop_px}"
        _, report = trainer.run_experiment(
            config, "train_and_eval", str(folder)
        )
        return report, folder

    return run


def tool_report(folder, tmp_path):
    """What tools/evaluate.py writes about the files in a folder."""
    values = flags.FlagValues()
    evaluate.define_flags(values)
    values(
        [
            "evaluate.py",
            "--metric=panoptic",
            f"--gt_json_file={folder}/truth.json",
            f"--pred_json_file={folder}/predictions.json",
            f"--output_file={tmp_path}/tool.json",
        ]
    )
    evaluate.evaluate(values)
    return json.loads((tmp_path / "tool.json").read_text())


def assert_same(ours, theirs):
    """Both are the same tree of names and numbers; NaN is null."""
    assert type(ours) is type(theirs) or {type(ours), type(theirs)} <= {
        float,
        type(None),
    }
    if isinstance(ours, dict):
        assert set(ours) == set(theirs)
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, float):
        assert (
            math.isnan(ours) if theirs is None else (abs(ours - theirs) <= 1e-9)
        )
    else:
        assert ours == theirs


@pytest.mark.parametrize("crop_px", [48, 57])
def test_trainer_and_tool_agree_on_the_files(run, tmp_path, crop_px):
    report, folder = run(crop_px)
    files = folder / "found" / "files"
    quality = report["panoptic_quality"]
    # A test of equal numbers needs numbers worth comparing.
    assert 0.3 < quality["All"]["pq"] < 0.95
    assert 0.5 < report["mean_iou"] < 0.95
    assert sum(one["fp"] + one["fn"] for one in report["classes"]) > 3
    assert_same(report, tool_report(files, tmp_path))
    assert_same(report, json.loads((folder / "evaluation.json").read_text()))
    official = evaluation.pq_compute(
        files / "truth.json", files / "predictions.json"
    )
    for group, values in quality.items():
        assert_same(values, official[group])
    for one in report["classes"]:
        if one["tp"] + one["fp"] + one["fn"]:
            scores = {name: one[name] for name in ("pq", "sq", "rq")}
            assert_same(scores, official["per_class"][one["id"]])


def test_written_truth_is_the_truth_without_padding(run):
    folder = run(57)[1] / "found" / "files"
    content = json.loads((folder / "truth.json").read_text())
    assert [one["id"] for one in content["images"]] == list(
        range(len(SIZES_PX))
    )
    for index, annotation in enumerate(content["annotations"]):
        expected, segments = evaluation.panoptic_segments(scene(index)[1], SPEC)
        assert annotation["segments_info"] == segments
        png = np.asarray(Image.open(folder / "truth" / f"{index:012d}.png"))
        np.testing.assert_array_equal(png[..., 0], expected)
        found = Image.open(folder / "predictions" / f"{index:012d}.png")
        assert found.size == SIZES_PX[index][::-1]


def test_padding_changes_no_number(run):
    assert_same(
        run(48)[0],
        json.loads(json.dumps(run(57)[0]), parse_constant=lambda _: None),
    )


def test_batches_change_no_number(run):
    first = run(48)[0]
    again = run(48, "task.validation_data.global_batch_size=5")[0]
    assert json.dumps(first) == json.dumps(again)


def test_summary_metrics_are_percents_of_the_report(run):
    report, _ = run(48)
    metrics = summary_metrics(report)
    assert {"validation_loss", *metrics} == set(METRICS)
    things = report["panoptic_quality"]["Things"]
    assert metrics["rq_things"] == 100 * things["rq"]
    assert metrics["mean_iou"] == 100 * report["mean_iou"]


def batch(index):
    panoptic = scene(index)[1]
    return {
        keys.PANOPTIC: panoptic[None],
        keys.IMAGE_ID: [f"{index}"],
        keys.HEIGHT: np.array([panoptic.shape[0]]),
        keys.WIDTH: np.array([panoptic.shape[1]]),
    }


def test_image_that_comes_twice_is_refused(tmp_path):
    state = PanopticEvaluation(SPEC, tmp_path)
    state.update(batch(0), batch(0)[keys.PANOPTIC])
    with pytest.raises(ValueError, match="image id 0 came twice"):
        state.update(batch(0), batch(0)[keys.PANOPTIC])


def test_truth_itself_is_perfect_and_nothing_is_written(tmp_path, capsys):
    state = PanopticEvaluation(SPEC)
    for index in range(3):
        state.update(batch(index), batch(index)[keys.PANOPTIC])
    report = state.finish()
    assert report["panoptic_quality"]["All"]["pq"] == 1
    assert report["mean_iou"] == 1
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""


def test_long_evaluation_shows_that_it_lives(monkeypatch, capsys):
    class Clock:
        now = 100.0

    monkeypatch.setattr(
        "axial_deeplab.progress.time.monotonic", lambda: Clock.now
    )
    state = PanopticEvaluation(SPEC)
    for index in range(4):
        Clock.now += 20
        state.update(batch(index), batch(index)[keys.PANOPTIC])
    state.finish()
    assert capsys.readouterr().err.splitlines() == [
        "evaluating: 2 images, 0.05 images/s, 0:00:40 so far",
        "evaluating: 4 images, 0.05 images/s, 0:01:20 so far",
        "evaluating: 4 images, 0.05 images/s, 0:01:20 in all",
    ]
