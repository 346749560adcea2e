"""DeepLab2's reference models: small ones from disk, whole ones by rule."""

import dataclasses
import re
import types
import zlib

import numpy as np
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.backbones.published_resnets import PUBLISHED_RESNETS
from axial_deeplab.backbones.stacked import STACKED_RESNETS, StackedBackbone
from axial_deeplab.decoders.dual_conv import DecoderBranch, DualConvDecoder
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.models.heads import PredictionHead
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab
from tests.checkpoints.axialnet_golden import values_by_rule

ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"
_ROWS = {"axial_swidernet": "axial_swidernet_1_1_1"}
_HEADS = {
    "semantic_logits": keys.SEMANTIC_LOGITS,
    "center_heatmap": keys.CENTER_HEATMAP,
    "offset_map": keys.CENTER_OFFSET,
}


def small_model(description):
    """Backbone, decoder and heads of the sizes that a description names."""
    backbone = _backbone(description)
    if description["decoder"] is None:
        return backbone
    semantic = description["decoder"]["semantic"]
    instance = description["decoder"]["instance"]
    decoder = DualConvDecoder(
        _branch("semantic_decoder", semantic),
        _branch("instance_decoder", instance),
        name="decoder",
    )
    sizes = {
        keys.SEMANTIC_LOGITS: (semantic["classes"], semantic["head_channels"]),
        keys.CENTER_HEATMAP: (1, instance["center_head_channels"]),
        keys.CENTER_OFFSET: (2, instance["offset_head_channels"]),
    }
    heads = {
        name: PredictionHead(*size, name=f"{name}_head")
        for name, size in sizes.items()
    }
    return PanopticDeepLab(backbone, decoder, heads)


def _backbone(description):
    name = description["backbone"].removesuffix("_backbone")
    row = PUBLISHED_RESNETS[_ROWS.get(name, name)]
    blocks = tuple(description["blocks_per_stage"])
    stem_width = description["stem_width_multiplier"]

    def build(blocks, width):
        spec = dataclasses.replace(
            row, blocks=blocks, width=width, stem_width=stem_width
        )
        return spec.build(description["output_stride"])

    backbone = build(blocks[-4:], description["backbone_width_multiplier"])
    if len(blocks) == 4:
        return backbone
    # The stem and the level behind it have a width of their own.
    first = build(blocks, stem_width).levels["1"]
    return Backbone(
        backbone.stem, {"1": first, **backbone.levels}, name="backbone"
    )


def stacked_backbone(description):
    """With the stack of the widths that a description names."""
    plain = _backbone(description)
    row = dataclasses.replace(
        STACKED_RESNETS["max_deeplab_l_stacked"],
        blocks=tuple(description["blocks_per_stage"])[-4:],
        width=description["backbone_width_multiplier"],
    )
    stacked = row.build()
    return StackedBackbone(
        plain.stem,
        plain.levels,
        stacked.fusions,
        stacked.blocks,
        name="backbone",
    )


def _branch(name, sizes):
    low_levels = {
        level.removeprefix("res"): n for level, n in sizes["low_level"]
    }
    context = ConvNormAct(sizes["aspp_channels"], name="aspp")
    return DecoderBranch(
        low_levels, sizes["decoder_channels"], context, name=name
    )


def outputs(model, images):
    """Levels and predictions by their names in the files."""
    backbone = getattr(model, "backbone", model)
    found = {f"encoder/res{k}": x for k, x in backbone(images).items()}
    if model is not backbone:
        maps = model.coarse_maps(images)
        found |= {f"head/{k}": maps[name] for k, name in _HEADS.items()}
        resized = model(images)
        found |= {f"resized/{k}": resized[n] for k, n in _HEADS.items()}
    return found


def stored_part(value, meaning):
    """What a file holds of an array, as its description says."""
    steps = re.search(r"stored \[(.*)\]", meaning)
    if not steps:
        return value
    places = (step.strip(":") or 1 for step in steps[1].split(", "))
    return value[tuple(slice(None, None, int(step)) for step in places)]


def tensors_by_rule(golden, name):
    """Weights of a whole model, each made when it is read."""
    return {
        row["checkpoint_key"].removesuffix(ENDING): types.SimpleNamespace(
            shape=tuple(row["shape"]),
            dtype="float32",
            read=lambda row=row: _values(golden.meta["salt"], row),
        )
        for row in golden.meta["models"][name]["variables"]
    }


def _values(salt, row):
    seed = zlib.crc32(f"{salt}{row['name']}".encode())
    n = np.random.default_rng(seed).standard_normal(row["shape"])
    return values_by_rule(row["rule"], n).astype(np.float32)


def relu(x):
    """Our levels are what theirs become in the next block."""
    return tf.nn.relu(x).numpy()
