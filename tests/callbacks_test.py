import functools
import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import evaluation, keys
from axial_deeplab.callbacks import PanopticQualityCallback
from axial_deeplab.data import convert_shapes, shards
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.pipeline import PipelineConfig, make_dataset
from axial_deeplab.postprocess import panoptic_prediction
from tests.export.toy import (
    TOY_DATASET,
    TOY_SETTINGS,
    ToyPanopticModel,
)
from tests.integration import fit_case
from tests.reference.panoptic_quality import image_counts


@pytest.fixture(scope="module")
def model():
    return fit_case.compiled_model()


def _evaluate(model, *arguments, **options):
    callback = PanopticQualityCallback(*arguments, **options)
    callback.set_model(model)
    return callback.evaluate()


def _by_reference(model):
    """The logs, counted by slow loops over the images one by one."""
    counts = {}
    for images, labels in fit_case.validation_data(batch=1):
        outputs = model(images, training=False)
        names = keys.SEMANTIC_LOGITS, keys.CENTER_HEATMAP, keys.CENTER_OFFSET
        maps = panoptic_prediction(*(outputs[k] for k in names), TOY_SETTINGS)
        height, width = labels[keys.HEIGHT][0], labels[keys.WIDTH][0]
        valid = np.s_[0, : int(height), : int(width)]
        found = image_counts(
            *evaluation.panoptic_segments(
                labels[keys.PANOPTIC][valid].numpy(), TOY_DATASET
            ),
            *evaluation.panoptic_segments(
                maps[keys.PANOPTIC][valid].numpy(), TOY_DATASET
            ),
        )
        for category, (ious, fp, fn) in found.items():
            total = counts.setdefault(category, [[], 0, 0])
            total[0] += ious
            total[1:] = total[1] + fp, total[2] + fn
    return {
        group: np.mean([_scores(*counts[category]) for category in members], 0)
        for group, members in (
            ("", [7, 3, 9]),
            ("_things", [3, 9]),
            ("_stuff", [7]),
        )
    }


def _scores(ious, fp, fn):
    """PQ, SQ and RQ in percent."""
    weight = len(ious) + fp / 2 + fn / 2
    return np.array(
        [sum(ious) / weight, sum(ious) / len(ious), len(ious) / weight]
    ) * [100, 100, 100]


@pytest.mark.parametrize("batch", [1, 4, 9, 20])
def test_quality_is_that_of_every_image_once(model, batch):
    """Nine images, in batches that are full, not full, or one."""
    logs = _evaluate(
        model, fit_case.validation_data(batch), TOY_DATASET, TOY_SETTINGS
    )
    expected = _by_reference(model)
    assert len(logs) == 9
    for group, scores in expected.items():
        found = [logs[f"val_{name}{group}"] for name in ("pq", "sq", "rq")]
        assert found == pytest.approx(scores)
    # Some segments are found and some are not, or this would show little.
    assert 30 < logs["val_pq_things"] < 90 and logs["val_rq_things"] < 95


def test_records_are_data_as_they_are(tmp_path):
    """Of the pipeline, padded to the crop."""
    shapes, path = dataset_spec("shapes"), tmp_path / "val.tfrecord"
    record = functools.partial(
        convert_shapes.shapes_record, seed=0, split="val", size_px=(33, 41)
    )
    list(shards.write_shards([path], range(3), record))
    config = PipelineConfig(
        str(path), crop_size_px=(48, 48), batch_size=2, training=False
    )
    toy = ToyPanopticModel(shapes.num_classes)
    logs = _evaluate(toy, make_dataset(config, shapes), shapes)
    assert 0 <= logs["val_pq"] < 100


def test_other_callbacks_read_it(model):
    """Also where it is not computed after each epoch."""
    seen = []
    watch = tf_keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append("val_pq" in logs)
    )
    callback = fit_case.quality(every_epochs=2)
    data = fit_case.training_data().take(1)
    history = model.fit(
        data, epochs=4, callbacks=[callback, watch], verbose=0
    ).history
    assert seen == [False, True, False, True]
    assert history["val_pq"][-1] == callback.evaluate()["val_pq"]


def test_a_group_without_segments_has_no_quality(model):
    """Sheep are missing in truth and prediction, as all things are."""
    maps = np.zeros((2, 8, 8), np.int32)
    data = tf.data.Dataset.from_tensor_slices(
        (np.zeros((2, 8, 8, 3), np.uint8), {keys.PANOPTIC: maps})
    ).batch(2)
    logs = _evaluate(fit_case.model(), data, TOY_DATASET, TOY_SETTINGS)
    assert logs["val_pq"] == logs["val_pq_stuff"] == 100
    assert math.isnan(logs["val_pq_things"])


def test_settings_follow_the_data_set():
    callback = PanopticQualityCallback(
        fit_case.validation_data(), dataset_spec("coco_panoptic")
    )
    assert (
        callback.settings.thing_ids == dataset_spec("coco_panoptic").thing_ids
    )
    assert callback.settings.ignore_label == 0


def test_data_of_another_form_is_refused():
    data = fit_case.training_data()
    for wrong in (data, data.map(lambda x, *_: x), [1]):
        with pytest.raises(ValueError, match="validation_data.*training=False"):
            PanopticQualityCallback(wrong, TOY_DATASET)
    with pytest.raises(ValueError, match="`every_epochs`.*got 0"):
        fit_case.quality(every_epochs=0)
