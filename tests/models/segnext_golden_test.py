"""SegNeXt-T against the public implementation: maps and a training step."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import create_model, keys
from axial_deeplab.backbones.backbone import PixelStatistics
from axial_deeplab.decoders.hamburger_decoder import concat_levels
from axial_deeplab.layers import hamburger
from tests.golden import assert_close_to_largest, load_golden
from tests.models.segnext_golden import (
    load_weights,
    nhwc,
    rule,
    to_ours,
    weights_by_public_name,
)

pytestmark = pytest.mark.golden

MAPS, LOGITS = 3e-5, 2e-5  # absolute tolerances
GRADIENTS = 1e-3  # of the largest value, or of the norm


@pytest.fixture(scope="module")
def golden():
    return load_golden("segnext_tiny_train.npz")


@pytest.fixture(scope="module", autouse=True)
def documented_bases(golden):
    """The bases of the rule in place of random ones."""
    make, salt = rule().bases, golden.meta["salt"]

    def bases(batch, depth, rank):
        return tf.constant(make(int(batch), depth, rank, salt))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamburger, "random_bases", bases)
        yield


@pytest.fixture(scope="module")
def model(golden):
    """With the weights of the reference; nothing in it is random."""
    shapes = golden.arrays["names"].tolist(), golden.arrays["shapes"].tolist()
    classes = dict(zip(*shapes, strict=True))["decode_head.conv_seg.bias"]
    model = create_model(
        "segnext_t",
        num_classes=int(classes.strip("[]")),
        draw="always",
        drop_path=0.0,
    )
    model.head.drop.rate = 0.0
    # The images of the reference are normalised already.
    model.backbone.pixels = PixelStatistics((0.0,) * 3, (1.0,) * 3)
    load_weights(golden, model)
    return model


def _maps(model, x, training=False):
    """Values inside the model by their names in the file."""
    backbone, decoder = model.backbone, model.decoder
    features = backbone(x, training=training)
    found = {f"stage{i}": features[str(i + 1)] for i in range(1, 5)}
    levels = [features[level] for level in decoder.levels]
    concat = concat_levels(levels)
    squeezed = decoder.squeeze(concat, training=training)
    burger = decoder.context
    factorized = burger.factorize(
        tf.nn.relu(burger.before(squeezed)), training=training
    )
    found |= {"squeeze": squeezed, "nmf": factorized}
    found["ham_out"] = burger.after(factorized)
    found["hamburger"] = burger(squeezed, training=training)
    found["align"] = decoder(features, training=training)
    found["logits"] = model.head(found["align"], training=training)
    return found


def _first_block(model, x):
    """Values of the first block and of what stands around it."""
    stem, block = model.backbone.stem(x), model.backbone.levels["2"][0]
    normed = block.attention_norm(stem)
    unit = block.attention
    inside = tf.nn.gelu(unit.before(normed))
    found = {
        "stem": stem,
        "block1_0_norm1": normed,
        "block1_0_msca": unit.attention(inside),
        "block1_0_attn": unit(normed),
        "block1_0": block(stem),
    }
    attended = stem + block.attention_scale(found["block1_0_attn"])
    feed = block.feed_forward(block.feed_norm(attended))
    stage = model.backbone(x)["2"]
    embedded = model.backbone.levels["3"][0](stage)
    return found | {"block1_0_mlp": feed, "patch_embed2": embedded}


@pytest.mark.parametrize("case", ["even", "odd"])
def test_maps_and_logits(golden, model, case):
    x = nhwc(golden.arrays[f"{case}_input"])
    found = _first_block(model, tf.constant(x)) | _maps(model, tf.constant(x))
    expected = {
        name: nhwc(value)
        for name, value in golden.arrays.items()
        if name.startswith(f"{case}_") and value.ndim == 4
    }
    upsampled = expected.pop(f"{case}_upsampled_first4")
    del expected[f"{case}_input"]
    assert expected
    for name, value in expected.items():
        key = name.removeprefix(f"{case}_")
        tolerance = LOGITS if key == "logits" else MAPS
        np.testing.assert_allclose(
            found[key], value, rtol=0, atol=tolerance, err_msg=name
        )
    logits = model(x)[keys.SEMANTIC_LOGITS]
    shown = logits[..., : upsampled.shape[-1]]
    np.testing.assert_allclose(shown, upsampled, rtol=0, atol=LOGITS)
    classes = golden.arrays[f"{case}_argmax"]
    np.testing.assert_array_equal(np.argmax(logits, -1), classes)


@pytest.fixture(scope="module")
def step(golden, model):
    """A training step: loss, gradients and statistics; weights are restored."""
    x = tf.constant(nhwc(golden.arrays["even_input"]))
    labels = golden.arrays["train_labels"]
    before = model.get_weights()
    with tf.GradientTape() as tape:
        logits = model(x, training=True)[keys.SEMANTIC_LOGITS]
        valid = tf.constant(labels < logits.shape[-1])
        losses = tf.where(
            valid,
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.where(valid, labels, 0), logits
            ),
            0.0,
        )
        loss = tf.reduce_mean(losses)
    weights = weights_by_public_name(golden, model)
    names = golden.arrays["train_param_names"].tolist()
    gradients = tape.gradient(loss, [weights[name] for name in names])
    after = {name: weight.numpy() for name, weight in weights.items()}
    counts = {"all": labels.size, "valid": int(np.sum(valid))}
    model.set_weights(before)
    maps = _maps(model, x, training=True)
    model.set_weights(before)
    return (
        loss.numpy(),
        counts,
        dict(zip(names, gradients, strict=True)),
        after,
        maps,
    )


def test_losses(golden, step):
    loss, counts = step[:2]
    arrays = golden.arrays
    assert loss == pytest.approx(arrays["train_loss_mean_all_pixels"], rel=1e-5)
    over_valid = loss * counts["all"] / counts["valid"]
    assert over_valid == pytest.approx(
        arrays["train_loss_mean_valid"], rel=1e-5
    )
    for name, tolerance in (("logits", LOGITS), ("stage4", MAPS)):
        np.testing.assert_allclose(
            step[4][name],
            nhwc(arrays[f"train_{name}"]),
            rtol=0,
            atol=tolerance,
            err_msg=name,
        )


def test_gradients(golden, model, step):
    gradients, arrays = step[2], golden.arrays
    assert len(gradients) == len(model.trainable_weights)
    actual = [np.linalg.norm(gradient) for gradient in gradients.values()]
    expected = arrays["train_grad_l2"]
    # Biases in front of a batch norm: zero, but for rounding.
    zero = expected < 1e-9
    assert zero.sum() == 5
    np.testing.assert_allclose(
        np.array(actual)[~zero], expected[~zero], rtol=GRADIENTS
    )
    assert np.max(np.array(actual)[zero]) < 1e-6
    for key, value in arrays.items():
        if key.startswith("train_grad/"):
            name = key.removeprefix("train_grad/")
            assert_close_to_largest(
                gradients[name], to_ours(value), GRADIENTS, name
            )


def test_running_statistics(golden, model, step):
    """PyTorch keeps the variance of a sample, we that of the batch."""
    x = golden.arrays["even_input"]
    strides = {"patch_embed1": 2, "block1": 4, "patch_embed4": 32, "block4": 32}
    before = {
        name: weight.numpy()
        for name, weight in weights_by_public_name(golden, model).items()
    }
    found = [key for key in golden.arrays if key.startswith("train_after/")]
    assert found
    for key in found:
        name = key.removeprefix("train_after/")
        change = step[3][name] - before[name] * 0.9
        if name.endswith("var"):
            stride = strides[name.split(".")[1]]
            count = len(x) * np.prod(np.ceil(np.array(x.shape[2:]) / stride))
            change = change * count / (count - 1)
        np.testing.assert_allclose(
            change + before[name] * 0.9,
            golden.arrays[key],
            rtol=1e-5,
            atol=1e-6,
            err_msg=name,
        )
