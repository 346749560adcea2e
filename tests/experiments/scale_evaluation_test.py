import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.experiments import scale_evaluation
from axial_deeplab.experiments.panoptic_task import panoptic_settings
from axial_deeplab.experiments.scale_evaluation import (
    evaluate_prediction,
    model_prediction,
    scaled_size,
)
from axial_deeplab.postprocess import panoptic_prediction
from tests.experiments import case
from tests.models import tiny_models


@pytest.mark.parametrize(
    "size, ratio, expected",
    [
        ((1025, 1025), 0.25, (257, 257)),
        ((1025, 2049), 4, (4097, 8193)),
        ((641, 641), 0.7, (449, 449)),
        ((97, 65), 1.5, (145, 97)),
        ((1, 2), 3, (1, 4)),
    ],
)
def test_sizes_keep_their_corners(size, ratio, expected):
    assert scaled_size(size, ratio) == expected


def _coordinates(images, training):
    """The places of the pixels that it sees, as logits and as offsets."""
    height, width = images.shape[1:3]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ramps = np.stack([y / (height - 1), x / (width - 1)], axis=-1)[None]
    return {
        keys.SEMANTIC_LOGITS: tf.constant(ramps),
        keys.CENTER_HEATMAP: tf.reduce_mean(images, -1, keepdims=True),
        keys.CENTER_OFFSET: tf.constant(np.stack([y, x], axis=-1)[None]),
    }


@pytest.mark.parametrize("ratio", [0.5, 1, 3])
def test_maps_come_back_in_the_size_and_pixels_of_the_crop(
    monkeypatch, tmp_path, ratio
):
    """Bilinear interpolation leaves linear functions as they are."""
    seen = []

    def model(images, training):
        seen.append(tuple(images.shape[1:3]))
        return _coordinates(images, training)

    monkeypatch.setattr(
        scale_evaluation,
        "panoptic_prediction",
        lambda *maps: {keys.PANOPTIC: maps},
    )
    config = case.config(tmp_path).task
    y, x = np.mgrid[:25, :49].astype(np.float32)
    images = tf.constant(np.stack([x, x, x], axis=-1)[None])
    probabilities, heatmap, offset, settings = model_prediction(
        model, config, ratio
    )(images)
    assert seen == [scaled_size((25, 49), ratio)]
    assert settings == panoptic_settings(config)
    np.testing.assert_allclose(
        offset[0], np.stack([y, x], axis=-1), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(heatmap[0, ..., 0], x, rtol=1e-5, atol=1e-5)
    logits = np.stack([y / 24, x / 48], axis=-1)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(probabilities[0], expected, rtol=1e-5)


def test_ratio_one_is_what_the_model_predicts(tmp_path):
    """Without its last resize, too."""
    model = tiny_models.settle(case.tiny_axial_deeplab())
    config = case.config(tmp_path).task
    images = tf.cast(tiny_models.images(33, 41), tf.float32)
    maps = model(images)
    expected = panoptic_prediction(
        tf.nn.softmax(maps[keys.SEMANTIC_LOGITS]),
        maps[keys.CENTER_HEATMAP],
        maps[keys.CENTER_OFFSET],
        panoptic_settings(config),
    )[keys.PANOPTIC]
    found = model_prediction(model, config, 1)(images)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 1


def test_limit_takes_the_first_images(scenes):
    config = case.config(scenes).task
    shapes = []

    def predict(images):
        shapes.append(images.shape)
        return tf.zeros(tf.shape(images)[:3], tf.int32)

    report, count = evaluate_prediction(predict, config, 2, image_limit=3)
    assert count == 3
    assert shapes == [[None, case.SIZE_PX, case.SIZE_PX, 3]]
    everything, _ = evaluate_prediction(predict, config, 2)
    missed = [
        sum(x["fn"] for x in one["classes"]) for one in (report, everything)
    ]
    assert 0 < missed[0] < missed[1]


def _empty(path):
    path.write_bytes(b"")


def _cut(path):
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize(
    "spoil, message",
    [(_empty, "holds no example"), (_cut, "is damaged: its record 4")],
)
def test_unusable_records_are_named(tmp_path, spoil, message):
    case.write_scenes(tmp_path)
    (path,) = tmp_path.glob("val-*")
    spoil(path)
    with pytest.raises(ValueError, match=message):
        evaluate_prediction(
            lambda images: tf.zeros(tf.shape(images)[:3], tf.int32),
            case.config(tmp_path).task,
            batch_size=1,
        )
