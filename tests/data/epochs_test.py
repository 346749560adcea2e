import itertools

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.data import reading
from axial_deeplab.data.classification_pipeline import (
    ClassificationPipelineConfig,
    make_classification_dataset,
)
from axial_deeplab.data.crops import RandomCrop
from tests.data.labelled_case import COUNT, label

WHOLE = RandomCrop((1.0, 1.0), (1.0, 1.0), flip=False)


def examples(pattern, count, context=None, **options):
    """(image, label) of the first examples of a training."""
    config = ClassificationPipelineConfig(
        pattern,
        **dict(
            batch_size=context.num_input_pipelines if context else 1,
            image_size_px=20,
            num_classes=3,
            seed=1,
            repeat=True,
            shuffle_buffer=3,
        )
        | options,
    )
    dataset = make_classification_dataset(config, context).unbatch()
    taken = itertools.islice(dataset.as_numpy_iterator(), count)
    return [(image, number) for image, number, _ in taken]


@pytest.mark.parametrize("kind", ["records", "folders"])
@pytest.mark.parametrize("first", [1, COUNT, 2 * COUNT + 3])
def test_training_goes_on_amid_an_epoch(sources, kind, first):
    whole = examples(sources[kind], 3 * COUNT + 2)
    rest = examples(sources[kind], 3 * COUNT + 2 - first, first_example=first)
    for (image, number), (other, same) in zip(whole[first:], rest, strict=True):
        assert number == same
        np.testing.assert_array_equal(image, other)


def test_each_epoch_has_all_in_an_order_of_its_own(sources):
    options = dict(augmentation=WHOLE)
    labels = [n for _, n in examples(sources["records"], 4 * COUNT, **options)]
    epochs = np.reshape(labels, [4, COUNT])
    for epoch in epochs:
        assert sorted(epoch) == sorted(label(index) for index in range(COUNT))
    assert len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize("global_seed", [0, 5])
def test_order_depends_on_the_pipeline_s_seed_alone(sources, global_seed):
    expected = [n for _, n in examples(sources["records"], 2 * COUNT)]
    tf.random.set_seed(global_seed)
    try:
        found = [n for _, n in examples(sources["records"], 2 * COUNT)]
    finally:
        tf.random.set_seed(None)
    assert found == expected


def test_without_a_seed_nothing_is_left_out(sources):
    options = dict(seed=None, first_example=5)
    found = examples(sources["records"], COUNT, **options)
    numbers = sorted(number for _, number in found)
    assert numbers == sorted(label(index) for index in range(COUNT))


def test_pipelines_have_shares_in_each_epoch(sources):
    shares = []
    for pipeline in range(2):
        context = tf.distribute.InputContext(2, pipeline, 2)
        shares.append(examples(sources["records"], 3 * COUNT, context))
    images = [{image.tobytes() for image, _ in share} for share in shares]
    assert not images[0] & images[1]


def test_empty_epochs_end():
    config = reading.ReadingConfig("*", batch_size=1, seed=1, first_example=3)
    empty = tf.data.Dataset.range(0)
    assert not list(reading.epochs(lambda epoch: empty, config).take(1))
