import dataclasses
import io
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from axial_deeplab import keys
from axial_deeplab.data import shards, tfrecord_schema
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.panoptic_targets import (
    TargetSettings,
    panoptic_targets,
)
from axial_deeplab.data.pipeline import PipelineConfig, make_dataset
from axial_deeplab.data.synthetic_shapes import render_scene

SPEC = dataset_spec("shapes")
SIZE = (40, 48)
COUNT = 7
PLAIN = Augmentation(flip=False)


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(index, SIZE) for index in range(COUNT)]


@pytest.fixture(scope="module")
def folder(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")

    def encode(index):
        stream = io.BytesIO()
        Image.fromarray(scenes[index][0]).save(stream, "PNG")
        return tfrecord_schema.encode_example(
            stream.getvalue(), "png", f"{index}.png", scenes[index][1]
        )

    paths = [folder / name for name in shards.shard_names("val", 3)]
    list(shards.write_shards(paths, range(COUNT), encode))
    return folder


def config(folder, **options):
    defaults = dict(
        file_pattern=f"{folder}/val-*.tfrecord", crop_size_px=SIZE, batch_size=3
    )
    return PipelineConfig(**(defaults | options))


def test_evaluation_pads_bottom_right_and_keeps_the_order(folder, scenes):
    dataset = make_dataset(
        config(folder, training=False, crop_size_px=(45, 50)), SPEC
    )
    assert dataset.element_spec[0].shape == (None, 45, 50, 3)
    batches = list(dataset)
    assert [len(images) for images, _ in batches] == [3, 3, 1]
    ids = [i for _, labels in batches for i in labels[keys.IMAGE_ID].numpy()]
    assert ids == [str(index).encode() for index in range(COUNT)]
    images = np.concatenate([images for images, _ in batches])
    maps = np.concatenate([labels[keys.PANOPTIC] for _, labels in batches])
    assert maps.dtype == np.int32
    for index, (image, panoptic) in enumerate(scenes):
        np.testing.assert_array_equal(images[index, :40, :48], image)
        np.testing.assert_array_equal(maps[index, :40, :48], panoptic)
    assert (images[:, 40:] == 127.5).all() and (
        images[:, :, 48:] == 127.5
    ).all()
    assert (maps[:, 40:] == SPEC.void_id).all()
    assert (maps[:, :, 48:] == SPEC.void_id).all()
    labels = batches[0][1]
    np.testing.assert_array_equal(labels[keys.HEIGHT], [40] * 3)
    np.testing.assert_array_equal(labels[keys.WIDTH], [48] * 3)


def test_iterators_end_at_once(folder):
    """TensorFlow's tuner would hold them up (see `reading.prefetched`)."""
    dataset = make_dataset(config(folder), SPEC)
    assert dataset.options().autotune.enabled is False


def test_evaluation_drops_the_remainder_on_demand(folder):
    dataset = make_dataset(
        config(folder, training=False, drop_remainder=True), SPEC
    )
    assert [len(images) for images, _ in dataset] == [3, 3]
    assert dataset.element_spec[0].shape[0] == 3


def test_training_without_augmentation_gives_the_targets(folder, scenes):
    dataset = make_dataset(
        config(
            folder,
            augmentation=PLAIN,
            small_instance_area_px=60,
            drop_remainder=False,
            batch_size=COUNT,
        ),
        SPEC,
    )
    images, targets, weights = next(iter(dataset))
    expected = {image.tobytes(): panoptic for image, panoptic in scenes}
    settings = TargetSettings.for_dataset(
        SPEC, small_instance_area_px=60, small_instance_weight=3.0
    )
    for index, image in enumerate(images.numpy().astype(np.uint8)):
        panoptic = expected.pop(image.tobytes())
        wanted_targets, wanted_weights = panoptic_targets(panoptic, settings)
        for name, wanted in wanted_targets.items():
            np.testing.assert_array_equal(targets[name][index], wanted)
        void = panoptic == SPEC.void_id
        assert void.any()
        for name, wanted in wanted_weights.items():
            actual = weights[name][index].numpy()
            if name == keys.SEMANTIC_LOGITS:
                assert (actual[void] == 0).all()
                actual, wanted = actual[~void], wanted.numpy()[~void]
            np.testing.assert_array_equal(actual, wanted)
    assert not expected


def test_training_shapes_are_static(folder):
    images, targets, weights = make_dataset(config(folder), SPEC).element_spec
    assert images.shape == (3, *SIZE, 3) and images.dtype == tf.float32
    assert targets[keys.SEMANTIC_LOGITS].shape == (3, *SIZE)
    assert targets[keys.SEMANTIC_LOGITS].dtype == tf.int32
    assert targets[keys.CENTER_HEATMAP].shape == (3, *SIZE, 1)
    assert targets[keys.CENTER_OFFSET].shape == (3, *SIZE, 2)
    assert set(weights) == set(targets)
    for weight in weights.values():
        assert weight.shape == (3, *SIZE) and weight.dtype == tf.float32


def first_batches(settings, count=3):
    return [b[0].numpy() for b in make_dataset(settings, SPEC).take(count)]


def test_seed_fixes_order_and_augmentation(folder):
    settings = config(
        folder,
        augmentation=Augmentation(scale_range=(0.5, 2.0)),
        seed=3,
        repeat=True,
    )
    one, two = first_batches(settings), first_batches(settings)
    np.testing.assert_array_equal(one, two)
    other = first_batches(
        config(
            folder,
            augmentation=Augmentation(scale_range=(0.5, 2.0)),
            seed=4,
            repeat=True,
        )
    )
    assert not np.array_equal(one, other)


def test_epochs_of_one_dataset_differ(folder):
    dataset = make_dataset(config(folder, seed=3), SPEC)
    one, two = (np.concatenate([b[0] for b in dataset]) for _ in range(2))
    assert one.shape == two.shape == (6, *SIZE, 3)
    assert not np.array_equal(one, two)


def test_void_padding_of_shrunk_images_has_no_weight(folder):
    settings = config(
        folder, augmentation=Augmentation(scale_range=(0.5, 0.5), flip=False)
    )
    images, targets, weights = next(iter(make_dataset(settings, SPEC)))
    padded = (images.numpy() == 127.5).all(axis=-1)
    assert (padded.sum(axis=(1, 2)) >= 3 * 20 * 24).all()
    for weight in weights.values():
        assert (weight.numpy()[padded] == 0).all()
    labels = targets[keys.SEMANTIC_LOGITS].numpy()
    assert (labels[padded] == SPEC.ignore_label).all()


def test_long_side_is_resized_first(folder):
    dataset = make_dataset(
        config(
            folder,
            training=False,
            resize_long_side_px=24,
            crop_size_px=(24, 24),
            with_targets=True,
        ),
        SPEC,
    )
    images, labels = next(iter(dataset))
    np.testing.assert_array_equal(labels[keys.HEIGHT], [20] * 3)
    np.testing.assert_array_equal(labels[keys.WIDTH], [24] * 3)
    assert images.shape == (3, 24, 24, 3)
    assert labels["targets"][keys.CENTER_OFFSET].shape == (3, 24, 24, 2)
    void = labels[keys.PANOPTIC] == SPEC.void_id
    weight = labels["weights"][keys.SEMANTIC_LOGITS]
    np.testing.assert_array_equal(weight == 0, void)


def test_two_pipelines_share_the_records(folder):
    for pattern in ("val-*", "val-00001-*"):  # by file, and by record
        ids = []
        for pipeline in range(2):
            context = tf.distribute.InputContext(2, pipeline, 2)
            settings = config(
                folder,
                training=False,
                file_pattern=f"{folder}/{pattern}",
                batch_size=2,
            )
            for images, labels in make_dataset(settings, SPEC, context):
                assert len(images) == 1
                ids += list(labels[keys.IMAGE_ID].numpy())
        total = COUNT if pattern == "val-*" else 2
        assert len(ids) == len(set(ids)) == total


def test_empty_pattern_is_named(folder):
    with pytest.raises(FileNotFoundError, match="train-"):
        make_dataset(config(folder, file_pattern=f"{folder}/train-*"), SPEC)


def test_image_larger_than_the_evaluation_crop_is_named(folder):
    dataset = make_dataset(
        config(folder, training=False, crop_size_px=(40, 47)), SPEC
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the"):
        next(iter(dataset))


def test_nothing_overtakes_the_check_of_the_size(folder, monkeypatch):
    """Padding such an image would fail, too, with words that help no one."""
    checked = tfrecord_schema.checked

    def checked_late(value, condition, *message):
        def after_a_while(holds):
            time.sleep(0.1)
            return holds

        late = tf.py_function(after_a_while, [condition], tf.bool)
        return checked(value, tf.ensure_shape(late, []), *message)

    monkeypatch.setattr(tfrecord_schema, "checked", checked_late)
    test_image_larger_than_the_evaluation_crop_is_named(folder)


def test_records_of_another_data_set_are_noticed(folder):
    spec = dataclasses.replace(
        SPEC, name="tiny", classes=SPEC.classes[:4], num_classes=4
    )
    dataset = make_dataset(config(folder), spec)
    with pytest.raises(tf.errors.InvalidArgumentError, match="tiny has 4"):
        next(iter(dataset))


def test_shards_of_two_conversions_are_refused(folder, tmp_path):
    for name in shards.shard_names("a", 1) + shards.shard_names("a", 2):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="two conversions of split 'a'"):
        make_dataset(config(folder, file_pattern=f"{tmp_path}/a-*"), SPEC)


def test_cached_records_stay_when_the_files_are_gone(folder, tmp_path):
    for path in folder.glob("val-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    dataset = make_dataset(config(tmp_path, training=False, cache=True), SPEC)
    before = [labels[keys.PANOPTIC].numpy() for _, labels in dataset]
    for path in tmp_path.glob("val-*"):
        path.unlink()
    after = [labels[keys.PANOPTIC].numpy() for _, labels in dataset]
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_all_augmentation_together_is_repeatable(folder):
    settings = config(
        folder,
        resize_long_side_px=60,
        resize_short_side_px=44,
        augmentation=Augmentation(
            scale_range=(0.5, 2.0),
            colour="photometric_distortion",
            largest_class_share=0.75,
        ),
        seed=5,
        repeat=True,
    )
    one, two = first_batches(settings), first_batches(settings)
    np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="needs `resize_long_side_px`"):
        config(folder, resize_short_side_px=44)
