import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.models.panoptic_deeplab import (
    PanopticDeepLab,
    resize_prediction,
)
from tests.layers.layer_case import check_gradients
from tests.models.tiny_models import (
    NUM_CLASSES,
    SIZES,
    assert_near,
    images,
    settle,
    tiny_panoptic,
)
from tests.reference import convolution as reference

CHANNELS = {
    keys.SEMANTIC_LOGITS: NUM_CLASSES,
    keys.CENTER_HEATMAP: 1,
    keys.CENTER_OFFSET: 2,
}


@pytest.fixture(scope="module")
def model():
    return settle(tiny_panoptic())


def _assert_all_near(actual, expected, training=False):
    assert set(actual) == set(expected) == set(CHANNELS)
    # Statistics of few pixels amplify rounding more than fixed ones.
    relative = 1e-3 if training else 1e-4
    for name, value in expected.items():
        assert_near(actual[name], value, name, relative)


# One output and its size.


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("target", [(5, 9), (4, 3), (1, 7), (1, 1)])
@pytest.mark.parametrize("source", [(3, 4), (1, 4), (1, 1)])
def test_resize_equals_loops(source, target, name):
    rng = np.random.default_rng(3)
    value = rng.normal(size=(2, *source, CHANNELS[name])).astype(np.float32)
    expected = reference.resize(value, target)
    if name == keys.CENTER_OFFSET:
        for axis, (old, new) in enumerate(zip(source, target, strict=True)):
            expected[..., axis] *= (new - 1) / max(old - 1, 1)
    np.testing.assert_allclose(
        resize_prediction(name, value, tf.constant(target)),
        expected,
        rtol=1e-5,
        atol=1e-6,
    )


def test_resized_offsets_still_point_to_the_center():
    pixel = np.stack(np.mgrid[:5, :7], axis=-1)
    offset = np.float32([[1.5, 4.0] - pixel])
    resized = resize_prediction(
        keys.CENTER_OFFSET, offset, tf.constant([9, 25])
    )
    pixel = np.stack(np.mgrid[:9, :25], axis=-1)
    pointed = np.broadcast_to([3.0, 16.0], (1, 9, 25, 2))
    np.testing.assert_allclose(pixel + resized, pointed, atol=1e-5)


# The whole model.


@pytest.mark.parametrize("size", SIZES)
def test_outputs_are_the_resized_heads(model, size):
    features = model.backbone(images(*size))
    decoded = model.decoder(features)
    branches = dict.fromkeys(CHANNELS, "instance")
    branches[keys.SEMANTIC_LOGITS] = "semantic"
    outputs = model(images(*size))
    assert list(outputs) == list(CHANNELS)
    for name, output in outputs.items():
        assert output.shape == (2, *size, CHANNELS[name])
        assert output.dtype == tf.float32
        head = model.heads[name](decoded[branches[name]])
        expected = resize_prediction(name, head, tf.constant(size))
        np.testing.assert_array_equal(output, expected, err_msg=name)


@pytest.mark.parametrize("training", [False, True])
def test_unknown_sizes_in_one_graph_equal_the_eager_values(model, training):
    before = model.get_weights()
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    traced = tf.function(
        lambda x: model(x, training=training), input_signature=[spec]
    )
    for size in SIZES:
        if training and size == (1, 1):
            # Two values per channel: the norms amplify rounding.
            continue
        expected = model(images(*size), training=training)
        _assert_all_near(traced(images(*size)), expected, training)
    model.set_weights(before)  # training moved the statistics


def test_known_sizes_stay_known_in_a_graph(model):
    spec = tf.TensorSpec([None, 24, None, 3], tf.float32)
    graph = tf.function(model, input_signature=[spec]).get_concrete_function()
    for name, shape in graph.output_shapes.items():
        assert shape.as_list() == [None, 24, None, CHANNELS[name]]


def test_one_object_serves_two_sizes(model):
    first, second = images(33, 33), images(20, 50)
    before = model(first)
    between = model(second)
    fresh = tiny_panoptic()
    fresh(second)
    fresh.set_weights(model.get_weights())
    tf.nest.map_structure(np.testing.assert_array_equal, model(first), before)
    tf.nest.map_structure(np.testing.assert_array_equal, fresh(second), between)


def test_images_of_a_batch_do_not_see_each_other(model):
    batch = images(33, 33)
    together = model(batch)
    for i in range(2):
        alone = model(batch[i : i + 1])
        for name, value in together.items():
            assert_near(alone[name], value[i : i + 1], name)


def test_bytes_and_floats_give_the_same(model):
    pixels = images(33, 20)
    tf.nest.map_structure(
        np.testing.assert_array_equal,
        model(pixels),
        model(tf.cast(pixels, tf.float32)),
    )


def _with_span(model, span, **options):
    twin = tiny_panoptic(span=span, **options)
    twin(images(8, 8))
    twin.set_weights(model.get_weights())
    return twin


def test_a_span_that_covers_the_map_changes_nothing():
    # The longest axis is attended at stride 4: 12 positions of 47 pixels.
    options = {"axial_from": 4}
    everywhere = settle(tiny_panoptic(**options))
    covering = _with_span(everywhere, 23, **options)
    for size in ((33, 33), (32, 47)):
        for training in (False, True):
            _assert_all_near(
                covering(images(*size), training=training),
                everywhere(images(*size), training=training),
                training,
            )


def test_a_narrow_span_changes_everything(model):
    pixels = images(33, 33)
    expected = model(pixels)
    for name, value in _with_span(model, 3)(pixels).items():
        difference = np.abs(value - expected[name]).max()
        assert difference > 0.01 * np.max(np.abs(value)), name


def test_mixed_precision_returns_float32_near_the_full_values():
    """Early in training: with full branches each block doubles the error.

    One seed for the weights too: heads that happen to nearly cancel have a
    large relative error (1 % to 10 % over eight seeds).
    """
    tf_keras.utils.set_random_seed(0)
    full = tiny_panoptic(aspp=True)
    full(images(8, 8))
    for blocks in full.backbone.levels.values():
        gamma = blocks[0].expand.batch_norm.gamma
        gamma.assign(tf.fill(gamma.shape, 0.1))
    full(images(40, 41), training=True)
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        half = tiny_panoptic(aspp=True)
        half(images(8, 8))
        half.set_weights(full.get_weights())
        actual = half(images(33, 40))
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert half.backbone.compute_dtype == "bfloat16"
    for name, expected in full(images(33, 40)).items():
        assert actual[name].dtype == tf.float32
        error = np.abs(actual[name] - expected).mean()
        assert 0 < error < 0.1 * np.abs(expected).mean(), name


@pytest.mark.parametrize(
    "options", [{"span": 3}, {"output_stride": 32, "aspp": True}]
)
def test_gradients_reach_every_weight(options):
    model = settle(tiny_panoptic(**options))
    check_gradients(model, images(33, 40))


@pytest.mark.parametrize(
    "shape", [(8, 8, 3), (2, 8, 8, 1), (2, 8, 8), (1, 0, 8, 3)]
)
def test_bad_images_are_named(model, shape):
    with pytest.raises(ValueError, match="Images must be"):
        model(tf.zeros(shape))


def test_heads_must_be_the_three(model):
    for missing in CHANNELS:
        heads = {k: v for k, v in model.heads.items() if k != missing}
        with pytest.raises(ValueError, match=f"{missing}.*got"):
            PanopticDeepLab(model.backbone, model.decoder, heads)


def test_checkpoints_can_take_backbone_and_decoder_alone(model):
    assert model.checkpoint_items == {
        "backbone": model.backbone,
        "decoder": model.decoder,
    }
