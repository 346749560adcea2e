import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.axial_pass import AxialPass
from axial_deeplab.layers.axial_transformer import (
    AxialMasks,
    AxialTransformerBlock,
    TransformerOptions,
)
from axial_deeplab.layers.head_ops import HeadOptions
from tests.layers.layer_case import check_config, check_layer, randomize
from tests.layers.layer_inputs import features

SHAPE = 1, 4, 5, 4
HEADS = HeadOptions(2, max_distance=3)


def _block(filters=4, **options):
    """Random weights, whose logits are small: every weight counts."""
    block = AxialTransformerBlock(
        filters, TransformerOptions(**{"heads": HEADS} | options)
    )
    block(features(1, 2, 2, filters))
    randomize(block)
    return block


def _count(layers):
    weights = {id(w): w for layer in layers for w in layer.trainable_weights}
    return sum(int(np.prod(w.shape)) for w in weights.values())


def _attention_count(block):
    return _count(x for x in block.branches if isinstance(x, AxialPass))


def _seen(layers):
    """[H, W] bool: places of the input that the one at (1, 2) depends on."""
    x = features(*SHAPE)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for layer in layers:
            y = layer(y)
        # Not all channels together: their sum has no variance behind a norm.
        one = y[0, 1, 2, 0]
    return np.any(tape.gradient(one, x)[0] != 0.0, axis=-1)


def _field(rows, columns):
    field = np.zeros(SHAPE[1:3], bool)
    field[rows, columns] = True
    return field


ALL = slice(None)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"order": "row"}, _field(1, ALL)),
        ({"order": "column"}, _field(ALL, 2)),
        ({"order": "row_column"}, _field(ALL, ALL)),
        ({"order": "column_row"}, _field(ALL, ALL)),
        ({"order": "row_column", "skip": ("row",)}, _field(ALL, 2)),
        ({"skip": ("row", "column")}, _field(1, 2)),
        ({"order": "window", "window": 2}, _field(slice(2), slice(2, 4))),
        ({"order": "full"}, _field(ALL, ALL)),
    ],
    ids=str,
)
def test_receptive_field(options, field):
    """Two hops reach all places; one pass its row, column or window."""
    np.testing.assert_array_equal(_seen([_block(**options)]), field)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_axial_layer_makes_a_stack_of_windows_global(place):
    local = [_block(order="window", window=2) for _ in range(3)]
    assert not np.all(_seen(local))
    local[place] = _block(order="row_column")
    assert np.all(_seen(local))


def test_orders_have_the_same_parameters_and_other_results():
    x = features(*SHAPE)
    first, second = (_block(order=f"{o}") for o in ("row_column", "column_row"))
    second.set_weights(first.get_weights())
    assert first.count_params() == second.count_params()
    assert np.max(np.abs(first(x) - second(x))) > 0.01


@pytest.mark.parametrize("shared", [False, True])
def test_the_other_order_is_the_transposed_map(shared):
    first, second = (
        _block(order=order, share_projections=shared)
        for order in ("row_column", "column_row")
    )
    second.set_weights(first.get_weights())
    x = features(*SHAPE)
    turned = tf.transpose(second(tf.transpose(x, [0, 2, 1, 3])), [0, 2, 1, 3])
    np.testing.assert_allclose(first(x), turned, atol=1e-5)


def test_shared_projections_are_those_of_one_standard_attention():
    heads = dataclasses.replace(HEADS, relative=None)
    standard = _attention_count(_block(8, order="full", heads=heads))
    assert standard == 4 * 8**2 + 4 * 8
    shared = _block(8, share_projections=True, heads=heads)
    assert _attention_count(shared) == standard
    assert _attention_count(_block(8, heads=heads)) == 2 * standard


@pytest.mark.parametrize(
    ("relative", "tables"), [("vector", 5 * 4), ("scalar", 5 * 2)]
)
def test_each_axis_has_a_table(relative, tables):
    heads = dataclasses.replace(HEADS, relative=relative)
    block = _block(8, share_projections=True, heads=heads)
    assert _attention_count(block) == 4 * 8**2 + 4 * 8 + 2 * tables


def _by_hand(block, x, masks=()):
    masks = dict(masks)
    for branch, norm in zip(block.branches, block.norms, strict=True):
        mask = {}
        if branch.name in masks:
            mask = {"mask": masks[branch.name]}
        if block.options.post_norm:
            x = norm(x + branch(x, **mask))
        else:
            x += branch(norm(x), **mask)
    return x


@pytest.mark.parametrize("post_norm", [False, True])
def test_parts_are_residual_branches(post_norm):
    block, x = _block(post_norm=post_norm), features(*SHAPE)
    names = ["row", "column", "feed_forward"]
    assert [branch.name for branch in block.branches] == names
    np.testing.assert_allclose(block(x), _by_hand(block, x), atol=1e-5)
    other = _block(post_norm=not post_norm)
    other.set_weights(block.get_weights())
    assert np.max(np.abs(other(x) - block(x))) > 0.01


def test_the_feed_forward_part_is_dense():
    (feed,) = _block(skip=("row", "column")).branches
    x = features(*SHAPE)
    kernel, bias, out, out_bias = (weight.numpy() for weight in feed.weights)
    assert kernel.shape == (4, 16)
    inside = tf.nn.gelu(x.numpy() @ kernel + bias).numpy()
    np.testing.assert_allclose(feed(x), inside @ out + out_bias, atol=1e-5)


def test_masks_reach_their_passes():
    rng = np.random.default_rng(1)
    rows, columns = (
        tf.constant(rng.uniform(size=shape) < 0.5)
        for shape in (SHAPE[:3], (*SHAPE[:3], SHAPE[1]))
    )
    block, x = _block(), features(*SHAPE)
    y = block(x, masks=AxialMasks(rows, columns))
    by_hand = _by_hand(block, x, {"row": rows, "column": columns})
    np.testing.assert_allclose(y, by_hand, atol=1e-5)
    assert np.max(np.abs(y - block(x))) > 0.01


def test_what_is_masked_in_both_passes_reaches_nobody_else():
    mask = np.ones(SHAPE[:3], bool)
    mask[0, 1, 3] = mask[0, 2, 0] = False
    block, x = _block(), features(*SHAPE)
    masks = AxialMasks(tf.constant(mask), tf.constant(mask))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = block(x, training=True, masks=masks)
        others = tf.boolean_mask(y, mask)
    assert np.all(tape.gradient(others, x).numpy()[~mask] == 0.0)
    changed = np.where(mask[..., None], x, 5.0 * x)
    z = block(changed, training=True, masks=masks)
    np.testing.assert_array_equal(z.numpy()[mask], y.numpy()[mask])


def test_recomputation_changes_no_gradient():
    block, x = _block(), features(*SHAPE)
    again = AxialTransformerBlock(4, block.options, recompute=True)
    again(x)
    again.set_weights(block.get_weights())
    mask = tf.constant(np.random.default_rng(1).uniform(size=SHAPE[:3]) < 0.5)
    gradients = []
    for layer in (block, again):
        with tf.GradientTape() as tape:
            y = layer(x, training=True, masks=AxialMasks(row=mask))
            loss = tf.reduce_sum(y * features(*SHAPE))
        gradients.append(tape.gradient(loss, layer.trainable_weights))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_dropped_branch_leaves_the_input():
    options = TransformerOptions(heads=HEADS)
    block = AxialTransformerBlock(4, options, drop_path=0.999)
    x = features(*SHAPE)
    block(x)
    tf.random.set_seed(0)
    np.testing.assert_array_equal(block(x, training=True), x)


@pytest.mark.parametrize(
    "options",
    [
        {"order": "column_row", "skip": ("row",)},
        {"order": "window", "window": 3, "post_norm": True},
    ],
    ids=str,
)
def test_other_blocks_pass_the_checks(options):
    options = TransformerOptions(heads=HEADS, **options)
    check_layer(AxialTransformerBlock(6, options), features(2, 6, 7, 6))
    check_config(AxialTransformerBlock(6, options, recompute=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "diagonal"}, "`order` must be one of row_column.*diagonal"),
        ({"order": "row", "skip": ("column",)}, "`skip` must hold.*column"),
        ({"ratio": 0}, "`ratio` must be positive; got 0"),
    ],
)
def test_other_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TransformerOptions(**options)
