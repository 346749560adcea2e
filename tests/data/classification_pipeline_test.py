import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.data.classification_pipeline import (
    ClassificationPipelineConfig,
    make_classification_dataset,
)
from axial_deeplab.data.crops import RandomCrop
from tests.data import labelled_case
from tests.data.labelled_case import COUNT, label, picture

LABELS = [label(index) for index in range(COUNT)]
WHOLE = RandomCrop((1.0, 1.0), (1.0, 1.0), flip=False)


def dataset(pattern, context=None, **options):
    defaults = dict(
        batch_size=3, training=False, image_size_px=20, num_classes=3, seed=1
    )
    config = ClassificationPipelineConfig(pattern, **(defaults | options))
    return make_classification_dataset(config, context)


def joined(batches):
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def test_iterators_end_at_once(sources):
    """TensorFlow's tuner would hold them up (see `reading.prefetched`)."""
    options = dataset(sources["records"]).options()
    assert options.autotune.enabled is False


def test_evaluation_is_in_order_and_ends_in_blanks(sources):
    batches = list(dataset(sources["records"]))
    assert [len(images) for images, *_ in batches] == [3, 3, 3]
    images, labels, weights = joined(batches)
    assert images.dtype == np.float32 and labels.dtype == np.int32
    for index in range(COUNT):  # 24x20: rows 2 to 21 are central
        np.testing.assert_array_equal(images[index], picture(index)[2:22])
    np.testing.assert_array_equal(labels[:COUNT], LABELS)
    np.testing.assert_array_equal(weights, [1] * COUNT + [0] * 2)
    assert not images[COUNT:].any()


def test_evaluation_takes_the_center(sources):
    images, *_ = next(
        iter(dataset(sources["records"], image_size_px=10, resize_px=20))
    )
    np.testing.assert_array_equal(images[2], picture(2)[7:17, 5:15])


def test_folders_hold_the_same(sources):
    images, labels, weights = joined(dataset(sources["folders"]))
    order = sorted(range(COUNT), key=label)
    np.testing.assert_array_equal(labels[:COUNT], sorted(LABELS))
    for place, index in enumerate(order):
        np.testing.assert_array_equal(images[place], picture(index)[2:22])
    assert weights.sum() == COUNT


@pytest.mark.parametrize("kind", ["records", "folders"])
def test_training_sees_all_images_in_random_order(sources, kind):
    options = dict(training=True, augmentation=WHOLE, batch_size=COUNT)
    data = dataset(sources[kind], **options)
    assert data.element_spec[0].shape == (COUNT, 20, 20, 3)
    expected = sorted(LABELS)
    epochs = [joined(data) for _ in range(2)]
    for images, labels, weights in epochs:
        assert sorted(labels) == expected and weights.all()
        # The red of the pictures tells their class.
        np.testing.assert_array_equal(images[:, 0, 0, 0], 100 * labels)
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    again = joined(dataset(sources[kind], **options))
    np.testing.assert_array_equal(again[0], epochs[0][0])


def test_training_crops_and_mirrors(sources):
    images, labels, _ = next(
        iter(dataset(sources["records"], training=True, repeat=True))
    )
    for image, number in zip(images.numpy(), labels.numpy(), strict=True):
        np.testing.assert_allclose(image[..., 0], 100 * number, atol=1e-3)
        assert not any(
            np.allclose(image, picture(index)[2:22], atol=1)
            for index in range(COUNT)
        )
    # The blue of the pictures rises to the right.
    many = dataset(sources["records"], training=True, repeat=True).take(6)
    rise = np.concatenate(
        [np.diff(batch[0][..., 2], axis=2).sum((1, 2)) for batch in many]
    )
    assert (rise > 0).any() and (rise < 0).any()


@pytest.mark.parametrize("kind", ["records", "folders"])
def test_two_pipelines_share_the_images(sources, kind):
    for training in (True, False):
        labels = []
        for pipeline in range(2):
            context = tf.distribute.InputContext(2, pipeline, 2)
            data = dataset(
                sources[kind],
                context,
                training=training,
                batch_size=2,
                augmentation=WHOLE,
            )
            for _, found, weights in data:
                assert len(found) == 1
                labels += list(found.numpy()[weights.numpy() > 0])
        assert sorted(labels) == sorted(LABELS)


def test_every_replica_gets_full_batches(sources):
    context = tf.distribute.InputContext(1, 0, 4)
    batches = list(dataset(sources["records"], context, batch_size=8))
    # Four batches of two: one for each replica, the last of them blank.
    weights = [list(weights.numpy()) for *_, weights in batches]
    assert weights == [[1, 1], [1, 1], [1, 1], [1, 0]]
    context = tf.distribute.InputContext(1, 0, 2)
    batches = list(dataset(sources["records"], context, batch_size=6))
    weights = [list(weights.numpy()) for *_, weights in batches]
    assert weights == [[1, 1, 1], [1, 1, 1], [1, 0, 0], [0, 0, 0]]


def test_labels_may_begin_with_one(tmp_path, sources):
    pattern = labelled_case.write_records(tmp_path, first=1)
    _, labels, _ = joined(dataset(pattern, first_label=1))
    np.testing.assert_array_equal(labels[:COUNT], LABELS)
    _, labels, _ = joined(dataset(sources["folders"], first_label=1))
    np.testing.assert_array_equal(labels[:COUNT], sorted(LABELS))


@pytest.mark.parametrize("first", [0, 2])
def test_label_of_no_class_is_named(tmp_path, first):
    pattern = labelled_case.write_records(tmp_path, first=first)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(dataset(pattern, first_label=1))
    assert "Labels must be 1 to 3" in str(caught.value)


def test_other_number_of_folders_is_named(sources):
    with pytest.raises(
        ValueError, match="3 class folders, a_dog to c_cow; .*4"
    ):
        dataset(sources["folders"], num_classes=4)


def test_missing_records_are_named(sources):
    with pytest.raises(FileNotFoundError, match="none"):
        dataset("/none-*")


def test_crop_larger_than_the_resized_image_is_named():
    with pytest.raises(ValueError, match="`resize_px` must be at least"):
        dataset("", resize_px=19)
