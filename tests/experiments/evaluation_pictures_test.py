import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.experiments import evaluation_pictures
from axial_deeplab.experiments.evaluation_pictures import (
    ClassPictures,
    EvaluationPictures,
)
from axial_deeplab.visualization import colour_panoptic
from axial_deeplab.visualization_classes import class_sheet
from tests.experiments import case

SPEC = dataset_spec("shapes")
SIZES = {
    keys.HEIGHT: np.array([40, 0, 30]),
    keys.WIDTH: np.array([60, 0, 20]),
}


def _batch():
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * 60 + 20
    images = tf.constant(np.broadcast_to(images, (3, 64, 64, 3)))
    truth = np.zeros((3, 64, 64), np.int32)
    truth[:, :, 10:] = SPEC.label_divisor
    return images, truth, truth[:, :, ::-1], SIZES


def _read(path):
    return np.asarray(Image.open(path))


def test_first_images_stand_beside_truth_and_prediction(tmp_path):
    pictures = EvaluationPictures(SPEC, count=3)
    batch = _batch()
    pictures.add(*batch)
    pictures.add(*batch)  # one of it is missing
    (path,) = pictures.write(tmp_path / "new", 7, None)
    assert path == tmp_path / "new" / "predictions_0000007.png"
    sheet = _read(path)
    truth, predicted = (
        colour_panoptic(one[0, :40, :60], SPEC) for one in batch[1:3]
    )
    whole = np.concatenate([np.full((40, 60, 3), 20), truth], axis=1)
    # Images are magnified fourfold, in columns with a gap of 4 pixels.
    top, width = 16, 60 * 4 + 4
    found = sheet[top : top + 160 : 4, : 2 * width]
    found = np.concatenate([found[:, :240:4], found[:, width:-4:4]], axis=1)
    np.testing.assert_array_equal(found, whole)
    shown = sheet[top : top + 160 : 4, 2 * width : 2 * width + 240 : 4]
    np.testing.assert_array_equal(shown, predicted)
    # The blank is no row: the third image and the first again follow.
    assert (sheet[top + 164 + 8, 8] == 140).all()
    assert (sheet[top + 164 + 124 + 8, 8] == 20).all()


def test_without_images_nothing_is_written(tmp_path):
    pictures = EvaluationPictures(SPEC, count=0)
    pictures.add(*_batch())
    assert pictures.write(tmp_path / "new", 7, None) == []
    assert not list(tmp_path.iterdir())


def test_classified_images_stand_beside_their_names(tmp_path, monkeypatch):
    drawn = []

    def sheet(rows):
        drawn.extend(rows)
        return class_sheet(rows)

    monkeypatch.setattr(evaluation_pictures, "class_sheet", sheet)
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * 60
    images = tf.constant(np.broadcast_to(images, (3, 20, 20, 3)))
    shares = np.array([[0.1, 0.7, 0.2, 0.0], [1, 0, 0, 0], [0, 0.5, 0, 0.5]])
    pictures = ClassPictures(["a", "b", "c", "d"], count=2)
    pictures.add(images, np.array([2, 0, 3]), shares, np.array([1, 0, 1.0]))
    pictures.add(images, np.array([0, 0, 0]), shares, np.ones(3))
    (path,) = pictures.write(tmp_path, 3, None)
    assert path.name == "predictions_0000003.png"
    first, second = drawn  # the blank is none
    assert first.truth == "c" and second.truth == "d"
    assert first.predicted == [("b", 0.7), ("c", 0.2), ("a", 0.1)]
    # Of equal ones the lower classes come first.
    assert [name for name, _ in second.predicted] == ["b", "d", "a"]
    np.testing.assert_array_equal(second.image, images[2])
    np.testing.assert_array_equal(_read(path), class_sheet(drawn))


def test_models_without_attention_have_no_map_of_it(tmp_path):
    pictures = EvaluationPictures(SPEC, count=1)
    pictures.add(*_batch())
    names = [
        path.name for path in pictures.write(tmp_path, 0, case.toy_model())
    ]
    assert names == ["predictions_0000000.png"]


@pytest.mark.large  # traces an attention model once more
def test_attention_is_drawn_and_both_are_summaries(tmp_path):
    pictures = EvaluationPictures(SPEC, count=2)
    pictures.add(*_batch())
    writer = tf.summary.create_file_writer(str(tmp_path / "events"))
    with writer.as_default():
        paths = pictures.write(tmp_path, 12, case.tiny_axial_deeplab())
    writer.close()
    assert [path.name for path in paths] == [
        "predictions_0000012.png",
        "attention_0000012.png",
    ]
    (events,) = (tmp_path / "events").iterdir()
    shown = {}
    for record in tf.data.TFRecordDataset(str(events)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            _, _, png = value.tensor.string_val
            shown[value.tag] = (event.step, tf.io.decode_png(png).numpy())
    assert set(shown) == {"predictions", "attention"}
    for path in paths:
        step, picture = shown[path.name.split("_")[0]]
        assert step == 12
        np.testing.assert_array_equal(picture, _read(path))
        assert picture.std() > 10
