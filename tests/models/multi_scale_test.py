import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.models.multi_scale import MultiScale
from tests.models.tiny_models import assert_near, settle, tiny_panoptic
from tests.reference.convolution import convolution, resize

_LOGITS, _HEATMAP, _OFFSET = (
    keys.SEMANTIC_LOGITS,
    keys.CENTER_HEATMAP,
    keys.CENTER_OFFSET,
)
_PROBABILITIES = keys.SEMANTIC_PROBABILITIES


def _images(height, width, batch=2):
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (batch, height, width, 3)).astype(np.uint8)


def _kernels(symmetric):
    """A 3x3 kernel an output; those of a model that knows no left or right."""
    rng = np.random.default_rng(5)
    kernels = {
        name: rng.normal(0, 0.01, (3, 3, 3, channels))
        for name, channels in ((_LOGITS, 4), (_HEATMAP, 1), (_OFFSET, 2))
    }
    if not symmetric:
        return kernels
    sign = {name: 1.0 for name in kernels} | {_OFFSET: np.array([1.0, -1.0])}
    return {
        name: (kernel + sign[name] * kernel[:, ::-1]) / 2
        for name, kernel in kernels.items()
    }


def _toy(symmetric):
    kernels = _kernels(symmetric)

    def model(images):
        images = tf.cast(images, tf.float32)
        return {
            name: tf.nn.conv2d(images, kernel.astype(np.float32), 1, "SAME")
            for name, kernel in kernels.items()
        }

    return model


def _softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _slow_means(images, scales, flip):
    """The definition, run by run, in float64."""
    size = images.shape[1:3]
    runs = []
    for scale in scales:
        scaled = [int((side - 1) * scale + 1) for side in size]
        for mirrored in (False, True) if flip else (False,):
            x = resize(images, scaled)
            x = x[:, :, ::-1] if mirrored else x
            one = {k: convolution(x, v) for k, v in _kernels(False).items()}
            if mirrored:
                one = {name: y[:, :, ::-1] for name, y in one.items()}
                one[_OFFSET] = one[_OFFSET] * [1, -1]
            one = {name: resize(y, size) for name, y in one.items()}
            for axis in (0, 1):
                grown = (size[axis] - 1) / max(scaled[axis] - 1, 1)
                one[_OFFSET][..., axis] *= grown
            one[_PROBABILITIES] = _softmax(one[_LOGITS])
            runs.append(one)
    return {name: sum(one[name] for one in runs) / len(runs) for name in one}


@pytest.mark.parametrize(
    ("scales", "flip", "size"),
    [
        ((1.0,), False, (9, 12)),
        ((1.0,), True, (9, 12)),
        ((0.5, 1.0, 1.5), True, (9, 12)),
        ((0.75, 1.25), False, (1, 14)),
    ],
)
@pytest.mark.parametrize("in_graph", [False, True])
def test_means_equal_the_slow_loop(scales, flip, size, in_graph):
    images = _images(*size)

    def predict(images):
        return MultiScale(scales, flip).predict(_toy(False), images)

    if in_graph:
        spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
        predict = tf.function(predict, input_signature=[spec])
    found = predict(tf.constant(images))
    expected = _slow_means(images, scales, flip)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert_near(found[name], value, name, relative=1e-5)


def test_flip_changes_nothing_for_a_model_without_left_and_right():
    images = tf.constant(_images(11, 8))
    plain, flipped = (
        MultiScale((0.5, 1.0), flip).predict(_toy(True), images)
        for flip in (False, True)
    )
    assert np.abs(plain[_OFFSET][..., 1]).max() > 1
    for name in plain:
        assert_near(flipped[name], plain[name], name, relative=1e-5)
    # The law would hold for wrong signs, too, if offsets did not matter.
    one_sided = MultiScale((1.0,), True).predict(_toy(False), images)
    alone = MultiScale().predict(_toy(False), images)
    assert np.abs(one_sided[_OFFSET] - alone[_OFFSET]).max() > 0.1


def test_result_for_the_mirror_image_is_the_mirrored_result():
    """With flip this holds whatever the model."""
    model = settle(tiny_panoptic())
    # Sizes whose half is a size: resizing takes pixels and rounds nothing.
    images = tf.constant(_images(33, 41, batch=1))
    options = MultiScale((0.5, 1.0), flip=True)
    found = options.predict(model, images)
    mirrored = options.predict(model, images[:, :, ::-1])
    for name, value in found.items():
        expected = value[:, :, ::-1].numpy()
        if name == _OFFSET:
            expected = expected * [1, -1]
        assert_near(mirrored[name], expected, name)


def test_every_scale_runs_at_its_true_size_and_one_graph_serves_all():
    seen, traces = [], []

    def model(images):
        traces.append(images.shape)
        tf.py_function(
            lambda size: seen.append(tuple(size.numpy())),
            [tf.shape(images)[1:3]],
            [],
        )
        return _toy(False)(images)

    options = MultiScale((0.5, 1.0, 2.0), flip=True)
    assert options.runs == 6
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    predict = tf.function(
        lambda images: options.predict(model, images), input_signature=[spec]
    )
    for height, width in ((9, 12), (4, 5)):
        seen.clear()
        predict(tf.constant(_images(height, width)))
        sizes = [(height, width), (2 * height - 1, 2 * width - 1)]
        half = (height - 1) // 2 + 1, (width - 1) // 2 + 1
        # In this order: one run waits for the other.
        assert seen == [half, half, *(one for one in sizes for _ in "12")]
    assert len(traces) == 6


def test_semantic_model_is_averaged_too():
    images = tf.constant(_images(9, 9))

    def semantic(images):
        return {_LOGITS: _toy(False)(images)[_LOGITS]}

    options = MultiScale((0.5, 1.0), flip=True)
    found = options.predict(semantic, images)
    expected = options.predict(_toy(False), images)
    assert set(found) == {_LOGITS, _PROBABILITIES}
    np.testing.assert_array_equal(
        found[_PROBABILITIES], expected[_PROBABILITIES]
    )


def test_known_sizes_stay_known():
    spec = tf.TensorSpec([1, 9, 12, 3], tf.float32)
    options = MultiScale((0.5, 2.0), flip=True)
    predict = tf.function(lambda x: options.predict(_toy(False), x))
    shapes = predict.get_concrete_function(spec).output_shapes
    assert shapes[_OFFSET] == [1, 9, 12, 2]


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, -1.0), (float("nan"),)])
def test_bad_scales_are_named(scales):
    with pytest.raises(ValueError, match="`scales` must be positive"):
        MultiScale(scales)
