"""TensorFlow checkpoints of DeepLab2's model zoo.

Their keys are paths of attributes. Whole models have the roots `encoder`,
`semantic_decoder` and so on; encoders trained on ImageNet lie at
`backbone/_encoder`, beside things that no model needs. Queries, keys and
values, heads and position tables have the order that ours have.
"""

import functools
import re
from collections.abc import Iterable

import tensorflow as tf

from axial_deeplab.checkpoints.object_graph import CheckpointTensor
from axial_deeplab.checkpoints.own_files import checked, resolve_checkpoint
from axial_deeplab.checkpoints.weight_map import Source, Target

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "/.OPTIMIZER_SLOT"
_IMAGENET, _ENCODER = "backbone/_encoder/", "encoder/"
# Beside the weights of a model.
_OTHERS = re.compile(
    r"optimizer/|backbone_optimizer/|global_step$|save_counter$|"
    r"_CHECKPOINTABLE_OBJECT_GRAPH$"
)
# Of MaX-DeepLab's stacked decoder nothing reaches the panoptic heads.
_STACK = f"{_ENCODER}_decoder_stage"

# What the convolutions of a block are called.
_BASIC = {"_conv1_bn_act": "first", "_conv2_bn": "second"}
_BOTTLENECK = {
    "_conv1_bn_act": "reduce",
    "_conv2_bn_act": "convolution",
    "_conv3_bn": "expand",
}
_INVERTED = {
    "_conv1_bn_act": "expand",
    "_conv2_bn_act/_depthwise_conv": "depthwise",
    "_conv2_bn_act/_batch_norm": "depthwise_norm",
    "_conv3_bn": "project",
}
# Encoders trained at stride 32 have no switch where they stride; it is 0 then.
_STRIDED_SWITCH = tuple(
    f"backbone/res5_block0/convolution/conv/switch_{kind}"
    for kind in ("kernel", "bias")
)

# Parts of their paths, in the order in which they are replaced, and ours.
_PARTS = [
    (r"^encoder/_blocks/(\d+)", r"backbone/block_\1"),
    (r"_squeeze_excitation/_se_(reduce|expand)", r"gate/\1"),
    (r"_conv/_switch/(kernel|bias)", r"conv/switch_\1"),
    (r"_pre_global_context/convolution", "before"),
    (r"_post_global_context/convolution", "after"),
    (r"^encoder/_stem/_conv(\d)_bn(_act)?", r"backbone/stem/convolution_<\1>"),
    (r"^encoder/_stem", "backbone/stem/convolution"),
    (r"^encoder/_stage(\d)/_block(\d+)", r"backbone/res\1_block<\2>"),
    (r"^encoder/_decoder_stage(\d)/_block(\d)", r"backbone/stack\1_block<\2>"),
    (
        r"^encoder/_decoder_stage(\d)_resized_fuse/_\w+_conv_bn1",
        r"backbone/stack\1_fuse/project",
    ),
    (r"_attention/_(height|width)_axis", r"attention/\1_axis"),
    (r"_batch_norm_qkv", "qkv_norm"),
    (r"_batch_norm_similarity", "similarity_norm"),
    (r"_batch_norm_retrieved_output", "output_norm"),
    (r"_(query|key|value)_rpe/embeddings", r"\1_position"),
    (r"_without_last_layer/_conv1_bn_act", "/separable"),
    (r"_last_layer", "/project"),
    (r"^instance_center_head", "center_heatmap_head"),
    (r"^instance_regression_head", "center_offset_head"),
    (r"^semantic_head", "semantic_logits_head"),
    (r"^semantic/project", "semantic_logits_head/project"),
    (r"^(semantic|instance)_decoder", r"decoder/\1_decoder"),
    (r"_low_level_conv1", "project_3"),
    (r"_low_level_conv2", "project_2"),
    (r"_fusion_conv1/_conv1_bn_act", "fuse_3"),
    (r"_fusion_conv2/_conv1_bn_act", "fuse_2"),
    (r"_depthwise/_depthwise_conv", "depthwise"),
    (r"_depthwise/_batch_norm", "depthwise_norm"),
    (r"_pointwise", "pointwise"),
    (r"_shortcut", "shortcut"),
    (r"_aspp/_conv_bn_act", "aspp/point"),
    (r"_aspp/_aspp_conv(\d)/_conv_bn_act", r"aspp/atrous_<\1>"),
    (r"_aspp/_aspp_pool/_conv_bn_act", "aspp/pooled"),
    (r"_conv/kernel", "conv/kernel"),
    (r"_batch_norm/", "batch_norm/"),
]


def read_tensors(path: str) -> dict[str, CheckpointTensor]:
    """The weights of a model, by key without its ending.

    Args:
      path: prefix of a checkpoint, or a folder: the checkpoint that its file
        "checkpoint" names, or the only one in it.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: it is damaged, or of something else.
    """
    prefix = _resolve(path)
    reader = checked(prefix, tf.train.load_checkpoint, prefix)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    found = {}
    for key in sorted(shapes):
        name = key.removesuffix(_VALUE)
        if _SLOT not in key and not _OTHERS.match(name):
            shape, dtype = tuple(shapes[key]), dtypes[key].name
            found[name] = CheckpointTensor(reader, key, shape, dtype)
    if not any(name.startswith(_IMAGENET) for name in found):
        return found
    return {
        _ENCODER + name.removeprefix(_IMAGENET): tensor
        for name, tensor in found.items()
        if name.startswith(_IMAGENET)
    }


def _resolve(path: str) -> str:
    try:
        return resolve_checkpoint(path)
    except FileNotFoundError:
        prefixes = tf.io.gfile.glob(f"{path}/*.index")
        if len(prefixes) != 1:
            raise
        return prefixes[0].removesuffix(".index")


def source_of(names: Iterable[str]) -> Source:
    """What becomes of the weights of a checkpoint, whose names are these.

    Blocks of two convolutions, and decoders without an ASPP, name their parts
    as others do.
    """
    names = list(names)
    basic = {
        name.split("/_conv2_bn/")[0] for name in names if "/_conv2_bn/" in name
    }
    pyramid = any("/_aspp/_conv_bn_act/" in name for name in names)
    return Source(
        functools.partial(_targets, basic=frozenset(basic), pyramid=pyramid),
        by_class=("semantic_last_layer/bias",),
        without=_STRIDED_SWITCH,
        unused=(_STACK,),
    )


def _targets(
    name: str, basic: frozenset[str], pyramid: bool
) -> list[Target] | None:
    block = "/".join(name.split("/")[:3])
    parts = {}
    if name.startswith((f"{_ENCODER}_stage", _STACK)):
        parts = _BASIC if block in basic else _BOTTLENECK
    elif name.startswith(f"{_ENCODER}_blocks"):
        parts = _INVERTED
    for theirs, ours in parts.items():
        name = name.replace(f"/{theirs}/", f"/{ours}/")
    projection = "aspp/project" if pyramid else "aspp"
    name = name.replace("_aspp/_proj_conv_bn_act", projection)
    for pattern, ours in _PARTS:
        name = re.sub(pattern, ours, name)
    # They count blocks and convolutions from 1.
    name = re.sub(r"<(\d+)>", lambda m: str(int(m[1]) - 1), name)
    if "similarity_norm/" in name:
        return [Target(name, lambda x: x.reshape(3, -1))]
    if "output_norm/" in name:
        return [Target(name, lambda x: x.reshape(2, -1))]
    return [Target(name)]
