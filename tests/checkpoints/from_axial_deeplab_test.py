"""The authors' PyTorch code against the pooled form of the same layers."""

import itertools
import re
import types

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.checkpoints import from_axial_deeplab
from axial_deeplab.checkpoints.weight_map import weights_by_name
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.normalization import NormOptions
from tests.checkpoints import axialnet_golden
from tests.golden import assert_close_to_largest, load_golden

pytestmark = pytest.mark.golden

_NORM = NormOptions(momentum=0.9, epsilon=1e-5)
_INFER, _TRAIN = 1e-5, 1e-3


def nhwc(x):
    return np.asarray(x).transpose(0, 2, 3, 1)


def _ours(golden, prefix, heads):
    """Arrays below a prefix by the names of our weights."""
    return {
        target.name: target.convert(value)
        for key, value in golden.arrays.items()
        if key.startswith(prefix)
        for target in from_axial_deeplab.attention_targets(
            key.removeprefix(prefix), "", heads
        )
        or []
    }


@pytest.fixture(scope="module")
def attention():
    return load_golden("axial_attention_torch.npz")


def _case(golden, case):
    """A layer with the weights of a case, its input and its pooling."""
    kwargs = golden.meta["configs"][case]["kwargs"]
    filters, heads = kwargs["out_planes"], kwargs["groups"]
    layer = AxialAttention(
        filters,
        filters // 2,
        "width" if kwargs["width"] else "height",
        heads,
        max_distance=kwargs["kernel_size"],
        norm=_NORM,
    )
    x = tf.constant(nhwc(golden.arrays[f"{case}/input"]))
    layer(x)
    values = _ours(golden, f"{case}/weights/", heads)
    weights = {
        "/".join(name.split("/")[1:]): weight
        for name, weight in weights_by_name(layer).items()
    }
    assert set(values) == set(weights)
    for name, weight in weights.items():
        weight.assign(values[name])

    def run(x, training):
        y, stride = layer(x, training=training), kwargs["stride"]
        return tf.nn.avg_pool2d(y, stride, stride, "VALID")

    return types.SimpleNamespace(run=run, x=x, weights=weights, heads=heads)


def _cases():
    pairs = itertools.product((0, 1), (1, 2))
    return [f"width{axis}_stride{stride}" for axis, stride in pairs]


@pytest.mark.parametrize("name", _cases())
def test_attention_in_inference_and_training(attention, name):
    case = _case(attention, name)
    before = {k: w.numpy() for k, w in case.weights.items()}
    for mode in ("eval", "train"):
        expected = nhwc(attention.arrays[f"{name}/{mode}/output"])
        actual = case.run(case.x, mode == "train")
        assert_close_to_largest(actual, expected, _INFER, mode)
    updated = _ours(attention, f"{name}/train/updated/", case.heads)
    assert len(updated) == 6
    batch, rows, columns, _ = case.x.shape
    length = attention.meta["configs"][name]["kwargs"]["kernel_size"]
    for key, expected in updated.items():
        pixels = batch * rows * columns
        count = pixels * length if "similarity" in key else pixels
        change = case.weights[key] - 0.9 * before[key]
        if key.endswith("variance"):  # PyTorch keeps that of a sample
            change *= count / (count - 1)
        actual = 0.9 * before[key] + change
        assert_close_to_largest(actual, expected, _INFER, key)


@pytest.mark.parametrize("kind", ["grad", "grad_linear"])
@pytest.mark.parametrize("name", _cases())
def test_attention_gradients(attention, name, kind):
    case, arrays = _case(attention, name), attention.arrays
    trained = {k: w for k, w in case.weights.items() if "moving" not in k}
    with tf.GradientTape() as tape:
        tape.watch(case.x)
        y = case.run(case.x, True)
        factor = y if kind == "grad" else nhwc(arrays[f"{name}/probe"])
        loss = tf.reduce_sum(y * factor)
    key = "loss" if kind == "grad" else "linear_loss"
    np.testing.assert_allclose(loss, arrays[f"{name}/train/{key}"], rtol=1e-4)
    gradients = tape.gradient(loss, trained | {"input": case.x})
    expected = _ours(attention, f"{name}/{kind}/", case.heads)
    expected["input"] = nhwc(arrays[f"{name}/{kind}/input"])
    assert set(expected) == set(gradients)
    for key, gradient in gradients.items():
        if key != "similarity_norm/beta":  # zero but for rounding
            assert_close_to_largest(gradient, expected[key], _INFER, key)


@pytest.fixture(scope="module")
def whole():
    return load_golden("axialnet_torch.npz")


@pytest.fixture(scope="module")
def model(whole):
    tensors = axialnet_golden.state_dict(whole)
    model = axialnet_golden.classifier(whole)
    weights = weights_by_name(model)
    targets = {
        target.name: target.convert(value)
        for name, value in tensors.items()
        for target in from_axial_deeplab.targets(name)
    }
    assert set(targets) == set(weights)
    for name, value in targets.items():
        weights[name].assign(value)
    return model


def _features(model, images, training):
    """Values inside the model by the names of their modules."""
    backbone = model.backbone
    found = {"stem": backbone.stem(images, training=training)}
    x = found["stem"]
    for level, (block,) in backbone.levels.items():
        layer = f"layer{int(level) - 1}"
        inside = block.reduce(x, training=training)
        attention = block.spatial
        down = attention.height(inside, training=training)
        found[f"{layer}.0.hight_block"] = down
        found[f"{layer}.0.width_block"] = attention(inside, training=training)
        x = found[layer] = block(x, training=training)
    found["avgpool"] = tf.reduce_mean(x, [1, 2], keepdims=True)
    return found


@pytest.mark.parametrize(
    ("mode", "tolerance"), [("eval", _INFER), ("train", _TRAIN)]
)
def test_features_and_logits_of_a_classifier(whole, model, mode, tolerance):
    images = tf.constant(nhwc(whole.arrays["input"]))
    before, training = model.get_weights(), mode == "train"
    by_name = {k: w.numpy() for k, w in weights_by_name(model).items()}
    found = _features(model, images, training)
    model.set_weights(before)
    logits = model(images, training=training)
    after = {k: w.numpy() for k, w in weights_by_name(model).items()}
    model.set_weights(before)
    expected = whole.arrays[f"{mode}/logits"]
    assert_close_to_largest(logits, expected, tolerance, "logits")
    for name, feature in found.items():
        meaning = whole.meta["arrays"][f"{mode}/{name}"]["meaning"]
        step = [int(n) for n in re.findall(r"::(\d+)", meaning)]
        stored = feature.numpy()[:, :: step[1], :: step[2], :: step[0]]
        expected = nhwc(whole.arrays[f"{mode}/{name}"])
        assert_close_to_largest(stored, expected, tolerance, name)
        moments = whole.arrays[f"{mode}/{name}/mean_std"]
        actual = [np.mean(feature), np.std(feature)]
        np.testing.assert_allclose(
            actual, moments, atol=tolerance * abs(moments).max(), err_msg=name
        )
    if training:
        _check_updated(whole, by_name, after)


def _check_updated(whole, before, after):
    """Means and variances; those of PyTorch are of a sample."""
    prefix, kinds = "train/updated/", []
    for key, value in whole.arrays.items():
        if not key.startswith(prefix):
            continue
        name = key.removeprefix(prefix)
        (target,) = from_axial_deeplab.targets(name)
        expected = target.convert(value)
        if name.endswith("running_var"):
            n = _normalised_count(name, whole.arrays["input"].shape)
            old = 0.9 * before[target.name]
            expected = old + (expected - old) * ((n - 1) / n)
        assert_close_to_largest(after[target.name], expected, _TRAIN, name)
        kinds.append(name.rpartition(".")[2])
    assert set(kinds) == {"running_mean", "running_var"}


def _normalised_count(name, shape):
    """How many numbers of a channel the norm sees."""
    batch, side = shape[0], shape[2] // 2
    found = re.match(r"layer(\d)", name)
    if found:
        out = side // 2 ** int(found[1])
        # Averages stand behind both axes.
        strided = found[1] != "1" and "bn2" not in name
        strided = strided and "downsample" not in name
        side = 2 * out if strided else out
    return batch * side**2 * (side if "bn_similarity" in name else 1)


def test_counts_are_those_of_the_public_code(whole):
    from tests.models.model_counts import COUNTS

    ours = {row[0]: row[2] for row in COUNTS}
    names = {"axial26s": "26_s", "axial50s": "s", "axial50m": "m"}
    names["axial50l"] = "l"
    theirs = whole.meta["parameter_counts"]
    assert set(theirs) == set(names)
    for name, size in names.items():
        expected = theirs[name]["parameters"]
        assert ours[f"pooled_axial_resnet_{size}"] == expected
