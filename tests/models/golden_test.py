"""Decoder and heads against the public implementation."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.decoders.aspp import ASPP
from axial_deeplab.decoders.dual_conv import DecoderBranch, DualConvDecoder
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.models.heads import PredictionHead
from tests.golden import assert_close_to_largest, load_golden

pytestmark = pytest.mark.golden

BRANCHES = ("semantic", "instance")

# Their names of parts, ours.
_PARTS = {
    "aspp/proj_conv_bn_act": "aspp/project",
    "aspp/conv_bn_act": "aspp/point",
    "aspp/aspp_conv1/conv_bn_act": "aspp/atrous_0",
    "aspp/aspp_conv2/conv_bn_act": "aspp/atrous_1",
    "aspp/aspp_conv3/conv_bn_act": "aspp/atrous_2",
    "aspp/aspp_pool/conv_bn_act": "aspp/pooled",
    "low_level_conv1": "project_3",
    "low_level_conv2": "project_2",
    "fusion_conv1/conv1_bn_act": "fuse_3",
    "fusion_conv2/conv1_bn_act": "fuse_2",
    "conv_block/conv1_bn_act": "separable",
    "depthwise/depthwise_conv/": "depthwise/",
    "depthwise/batch_norm/": "depthwise_norm/",
    "final_conv": "project",
    "instance_center_head": "center_heatmap_head",
    "instance_regression_head": "center_offset_head",
    "semantic_head": "semantic_logits_head",
}
_OUTPUTS = {
    "semantic_logits": keys.SEMANTIC_LOGITS,
    "center_heatmap": keys.CENTER_HEATMAP,
    "offset_map": keys.CENTER_OFFSET,
}


def _our_name(theirs):
    """Our weight name for a variable of the public implementation."""
    name = theirs.removeprefix("PanopticDeepLab/")
    for part, ours in _PARTS.items():
        name = name.replace(part, ours)
    return name


class Model(tf.Module):
    """Decoder and heads of the sizes that the arrays of a variant have."""

    def __init__(self, golden, variant, pool_size=None):
        super().__init__()
        prefix = f"{variant}/weights/"
        self.golden, self.variant = golden, variant
        self.values = {
            _our_name(key.removeprefix(prefix)): value
            for key, value in golden.arrays.items()
            if key.startswith(prefix)
        }
        self.features = {
            key.removeprefix("features/res"): tf.constant(value)
            for key, value in golden.arrays.items()
            if key.startswith("features/")
        }
        self.decoder = DualConvDecoder(
            *(self._branch(f"{n}_decoder", pool_size) for n in BRANCHES)
        )
        self.heads = {
            name: self._head(f"{name}_head") for name in _OUTPUTS.values()
        }
        self(training=False)  # builds
        for name, weight in self.weights().items():
            weight.assign(self.values[name])

    def _filters(self, name):
        return self.values[f"{name}/kernel"].shape[-1]

    def _branch(self, name, pool_size):
        width = self._filters(f"{name}/aspp/project/conv")
        context = ConvNormAct(width)
        if f"{name}/aspp/point/conv/kernel" in self.values:
            context = ASPP(
                width,
                rates=self._rates(),
                separable=False,
                pool_size=pool_size,
                dropout=0.0,
            )
        low_levels = {
            level: self._filters(f"{name}/project_{level}/conv")
            for level in ("3", "2")
        }
        filters = self._filters(f"{name}/fuse_2/pointwise/conv")
        return DecoderBranch(low_levels, filters, context)

    def _rates(self):
        """From the options as the public implementation took them."""
        words = self.golden.meta["variants"][self.variant]["options"].split()
        rates = [
            int(value)
            for word, value in zip(words, words[1:], strict=False)
            if word == "atrous_rates:"
        ]
        assert rates[:3] == rates[3:]  # of the two branches
        return tuple(rates[:3])

    def _head(self, name):
        return PredictionHead(
            self._filters(f"{name}/project"),
            self._filters(f"{name}/separable/pointwise/conv"),
        )

    def __call__(self, training):
        """Outputs by the name of their array."""
        decoded = self.decoder(self.features, training=training)
        outputs = {f"{name}_decoder": decoded[name] for name in BRANCHES}
        for theirs, name in _OUTPUTS.items():
            branch = BRANCHES[name != keys.SEMANTIC_LOGITS]
            head = self.heads[name]
            outputs[theirs] = head(decoded[branch], training=training)
        return outputs

    def weights(self):
        """Weights by the path of the attributes that hold them."""
        found = {}
        for branch in BRANCHES:
            part = getattr(self.decoder, branch)
            found |= _named(f"{branch}_decoder", _branch_parts(part))
        for name, head in self.heads.items():
            parts = {"separable": head.separable, "project": head.project}
            found |= _named(f"{name}_head", parts)
        return found


def _branch_parts(branch):
    parts = {f"fuse_{k}": v for k, v in branch.fusions.items()}
    parts |= {f"project_{k}": v for k, v in branch.projections.items()}
    context = branch.context
    if not isinstance(context, ASPP):
        return parts | {"aspp/project": context}
    names = ("point", "pooled", "project")
    parts |= {f"aspp/{name}": getattr(context, name) for name in names}
    atrous = enumerate(context.atrous)
    return parts | {f"aspp/atrous_{i}": layer for i, layer in atrous}


def _named(prefix, parts):
    """Weights of parts; inside a part by the last names of its layers."""
    found = {}
    for name, part in parts.items():
        for weight in part.weights:
            inner = weight.name.removesuffix(":0").split("/")
            inner = inner[inner.index(part.name) + 1 :]
            found["/".join([prefix, name, *inner])] = weight
    return found


@pytest.fixture(scope="module")
def golden():
    return load_golden("panoptic_deeplab_model.npz")


def _arrays(golden, prefix):
    """Arrays below a prefix, by the rest of their names."""
    return {
        key.removeprefix(prefix): value
        for key, value in golden.arrays.items()
        if key.startswith(prefix)
    }


def test_every_weight_has_a_value_and_the_count_is_theirs(golden):
    for variant, meta in golden.meta["variants"].items():
        model = Model(golden, variant)
        assert set(model.weights()) == set(model.values)
        count = sum(
            int(np.prod(weight.shape))
            for weight in model.weights().values()
            if weight.trainable
        )
        assert count == meta["trainable_parameters"], variant


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_outputs(golden, mode):
    for variant in golden.meta["variants"]:
        outputs = Model(golden, variant)(training=mode == "train")
        expected = _arrays(golden, f"{variant}/{mode}/")
        assert set(_OUTPUTS) <= set(expected)
        for name in set(outputs) & set(expected):
            assert_close_to_largest(outputs[name], expected[name], 1e-5, name)


@pytest.mark.parametrize("mode", ["infer", "infer_pool"])
def test_context_with_and_without_a_pool_of_fixed_size(golden, mode):
    for variant, meta in golden.meta["variants"].items():
        expected = _arrays(golden, f"{variant}/{mode}/")
        if "semantic_aspp" not in expected:
            continue  # this variant has no pyramid
        pool_size = tuple(meta["pool"]) if mode == "infer_pool" else None
        model = Model(golden, variant, pool_size)
        context = model.decoder.semantic.context(model.features["5"])
        outputs = model(training=False) | {"semantic_aspp": context}
        for name, value in expected.items():
            assert_close_to_largest(outputs[name], value, 1e-5, name)


def test_moving_statistics(golden):
    """The variance is the biased one, as their synchronised norm keeps."""
    for variant in golden.meta["variants"]:
        model = Model(golden, variant)
        model(training=True)
        weights = model.weights()
        means = {
            name: value
            for name, value in _arrays(
                golden, f"{variant}/train/updated/"
            ).items()
            if name.endswith("moving_mean")
        }
        variances = _arrays(golden, f"{variant}/train_sync/updated/")
        assert means and variances
        for theirs, expected in (means | variances).items():
            name = _our_name(theirs)
            assert_close_to_largest(weights[name], expected, 1e-6, name)
