import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import axial_lines
from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.axial_pass import AxialPass
from axial_deeplab.layers.head_ops import HeadOptions
from tests.layers.layer_case import randomize
from tests.layers.layer_inputs import features
from tests.reference import transformer as reference

SHAPE = 2, 4, 6, 12  # queries, keys and values of 4 channels, 2 heads
HEADS = 2


def _heads(axis="width", relative="vector", **options):
    """Random tables of offsets up to 2: longer ones share their ends."""
    options = {"max_distance": 3} | options
    layer = AxialHeads(axis, HeadOptions(HEADS, relative, **options))
    layer.build(SHAPE)
    randomize(layer)
    return layer


def _turn(x):
    """Rows become columns."""
    return np.swapaxes(x, 1, 2)


def _slow(layer, qkv, mask=None):
    """By loops; `mask` [B, H, W] or [B, H, W, L] as the layer takes it."""
    turned = layer.axis == "height"
    x = _turn(qkv) if turned else np.asarray(qkv)
    length = x.shape[2]
    if mask is None:
        mask = np.ones(qkv.shape[:3], bool)
    mask = _turn(mask) if turned else mask
    if mask.ndim == 3:
        mask = np.repeat(mask[:, :, np.newaxis], length, axis=2)
    relative = layer.options.relative
    table = layer.offsets.numpy() if relative else None
    y = reference.rows(x, HEADS, table, relative == "vector", mask)
    return _turn(y) if turned else y


def _key_mask():
    """A row and a column without keys, others with some."""
    mask = np.random.default_rng(1).uniform(size=SHAPE[:3]) < 0.6
    mask[0, 1], mask[1, :, 2] = False, False
    return mask


def _pair_mask(axis):
    length = {"height": SHAPE[1], "width": SHAPE[2]}[axis]
    mask = np.random.default_rng(2).uniform(size=(*SHAPE[:3], length)) < 0.5
    mask[1, 2, 3] = False
    return mask


MASKS = {
    "none": lambda axis: None,
    "keys": lambda axis: _key_mask(),
    "pairs": _pair_mask,
}
both_axes = pytest.mark.parametrize("axis", ["width", "height"])


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("relative", [None, "vector", "scalar"])
@both_axes
def test_equals_slow_loops(axis, relative, kind):
    layer, x, mask = _heads(axis, relative), features(*SHAPE), MASKS[kind](axis)
    expected = _slow(layer, x, mask)
    for training in (False, True):
        actual = layer(x, training=training, mask=_constant(mask))
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def _constant(mask):
    return None if mask is None else tf.constant(mask)


def _gradients(layer, x, mask):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True, mask=mask)
        loss = tf.reduce_sum(y * features(*y.shape))
    return y, tape.gradient(loss, [x, *layer.trainable_weights])


@pytest.mark.parametrize("kind", ["keys", "pairs"])
@both_axes
def test_chunks_change_nothing(axis, kind):
    """A byte for logits: every line and query on its own."""
    x, mask = features(*SHAPE), _constant(MASKS[kind](axis))
    whole, parts = _heads(axis), _heads(axis, logits_bytes=1)
    expected, actual = (
        tf.nest.flatten(_gradients(layer, x, mask)) for layer in (whole, parts)
    )
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("kind", MASKS)
@both_axes
def test_rows_may_be_attended_group_after_group(axis, kind, monkeypatch):
    """No memory for maps: every line on its own."""
    layer, x, mask = (
        _heads(axis),
        features(*SHAPE),
        _constant(MASKS[kind](axis)),
    )
    expected = layer(x, mask=mask)
    monkeypatch.setattr(axial_lines, "_MAPS_BYTES", 1)
    assert axial_lines.rows_at_once(x, axis, 12) == 1
    np.testing.assert_allclose(layer(x, mask=mask), expected, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_masked_keys_have_no_influence_at_all(training):
    layer, mask = _heads(), _key_mask()
    x = features(*SHAPE).numpy()
    other = x.copy()
    other[..., 4:][~mask] = 100.0  # keys and values; queries stay
    expected, actual = (
        layer(tf.constant(z), training=training, mask=tf.constant(mask))
        for z in (x, other)
    )
    np.testing.assert_array_equal(actual, expected)


def test_masked_keys_get_no_gradient_at_all():
    mask = _key_mask()
    _, gradients = _gradients(_heads(), features(*SHAPE), tf.constant(mask))
    of_keys = gradients[0].numpy()[..., 4:]
    assert np.all(of_keys[~mask] == 0.0)
    has_others = mask.sum(axis=2) > 1  # one key alone has a weight of 1
    assert np.all(np.any(of_keys[mask & has_others[..., None]] != 0.0, axis=-1))
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_places_without_keys_are_zero_behind_a_bias_too():
    layer = AxialPass(4, AxialHeads("width", HeadOptions(HEADS)))
    x, mask = features(2, 4, 6, 5), _key_mask()
    layer(x)
    randomize(layer)
    y = layer(x, mask=tf.constant(mask)).numpy()
    empty = ~mask.any(axis=2)
    assert empty.sum() == 1
    assert np.all(y[empty] == 0.0) and np.all(y[~empty] != 0.0)


def test_offsets_move_with_the_row():
    """The same row, three places further: its result moves along."""
    layer, row = _heads(), features(1, 2, 5, 12)
    places = tf.ones([1, 2, 5], tf.bool)
    results = []
    for before, behind in ((0, 3), (3, 0)):
        padding = [[0, 0], [0, 0], [before, behind]]
        x, mask = tf.pad(row, [*padding, [0, 0]]), tf.pad(places, padding)
        results.append(layer(x, mask=mask)[:, :, before : before + 5])
    np.testing.assert_allclose(*results, atol=1e-6)


def test_a_row_of_more_than_a_thousand_places():
    layer = _heads()
    x = tf.tile(features(1, 1, 1, 12), [1, 2, 1025, 1])
    # All values are the same, whatever the weights; each sum rounds as often.
    np.testing.assert_allclose(layer(x), x[..., 8:], rtol=1025 * 2.0**-24)


def test_a_pass_projects_before_and_behind():
    layer = AxialPass(4, AxialHeads("height", HeadOptions(HEADS, "scalar")))
    x = features(2, 4, 5, 6)
    layer(x)
    randomize(layer)
    (kernel, bias), (out, out_bias) = (
        [weight.numpy() for weight in dense.weights]
        for dense in (layer.qkv_projection, layer.output_projection)
    )
    y = _slow(layer.heads, x.numpy() @ kernel + bias)
    np.testing.assert_allclose(layer(x), y @ out + out_bias, atol=1e-4)


@pytest.mark.parametrize(
    ("mask", "came"),
    [(tf.ones(SHAPE[:3]), "float32"), (tf.ones([6], tf.bool), "(6,)")],
)
def test_other_masks_are_refused(mask, came):
    with pytest.raises(ValueError, match="must be bool") as caught:
        _heads()(features(*SHAPE), mask=mask)
    assert came in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 0}, "`heads` must be positive; got 0"),
        ({"max_distance": 0}, "`max_distance` must be positive; got 0"),
        ({"relative": "both"}, "`relative` must be .*got 'both'"),
    ],
)
def test_other_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HeadOptions(**options)


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="`axis` must be .* got 'rows'"):
        AxialHeads("rows")
    with pytest.raises(ValueError, match="`heads` must divide .*heads=3"):
        AxialPass(4, AxialHeads("width", HeadOptions(3)))
