"""Names and orders of the public PyTorch code of SegNeXt (arXiv:2209.08575).

Encoders trained on ImageNet lie there without the prefix "backbone" and with
the layer `head`; in files of MMSegmentation the depthwise convolution of the
feed-forward part has a shorter name.
"""

import re

import numpy as np

from axial_deeplab.checkpoints.weight_map import Source, Target

# Parts of their names, in the order in which they are replaced, and ours.
_PARTS = [
    (r"^(?=(patch_embed|block|norm)\d)", "backbone."),
    (r"^backbone\.patch_embed1\.proj\.0", "backbone/stem/embedding_0/conv"),
    (
        r"^backbone\.patch_embed1\.proj\.1",
        "backbone/stem/embedding_0/batch_norm",
    ),
    (r"^backbone\.patch_embed1\.proj\.3", "backbone/stem/embedding_1/conv"),
    (
        r"^backbone\.patch_embed1\.proj\.4",
        "backbone/stem/embedding_1/batch_norm",
    ),
    (r"^backbone\.patch_embed(\d)\.proj", r"backbone/res<\1>_embedding/conv"),
    (
        r"^backbone\.patch_embed(\d)\.norm",
        r"backbone/res<\1>_embedding/batch_norm",
    ),
    (r"^backbone\.block(\d)\.(\d+)\.", r"backbone/res<\1>_block\2/"),
    (r"^backbone\.norm(\d)", r"backbone/res<\1>_norm"),
    (r"norm1", "attention_norm"),
    (r"norm2", "feed_norm"),
    (r"layer_scale_1", "attention_scale/factor"),
    (r"layer_scale_2", "feed_scale/factor"),
    (r"attn\.proj_1", "attention/before"),
    (r"attn\.proj_2", "attention/after"),
    (r"attn\.spatial_gating_unit\.", "attention/attention/"),
    (r"conv0_1", "across_7"),
    (r"conv0_2", "down_7"),
    (r"conv1_1", "across_11"),
    (r"conv1_2", "down_11"),
    (r"conv2_1", "across_21"),
    (r"conv2_2", "down_21"),
    (r"conv0", "local"),
    (r"conv3", "mix"),
    (r"mlp\.fc1", "feed_forward/expand"),
    (r"mlp\.fc2", "feed_forward/reduce"),
    (r"mlp\.dwconv(\.dwconv)?", "feed_forward/spatial"),
    (r"^head(?=\.)", "classify"),
    (r"decode_head\.hamburger\.ham_in\.conv", "decoder/context/before"),
    (r"decode_head\.hamburger\.ham_out", "decoder/context/after"),
    (r"decode_head\.(squeeze|align)", r"decoder/\1"),
    (r"decode_head\.conv_seg", "head/project"),
    (r"\.gn", "/group_norm"),
    (r"\.", "/"),
]
_OF_NORMS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_OF_OTHERS = {"weight": "kernel", "bias": "bias"}
_BASES = "decoder/context/bases"


def targets(name: str) -> list[Target]:
    """What becomes of a tensor of the state dictionary.

    Names that are none of theirs become names that are none of ours.
    """
    if name.endswith("num_batches_tracked"):
        return []
    if name == "decode_head.hamburger.ham.bases":  # where they are kept
        return [Target(_BASES, lambda x: x[0])]
    for pattern, ours in _PARTS:
        name = re.sub(pattern, ours, name)
    # Their stages count from 1, our levels from 2.
    name = re.sub(r"<(\d)>", lambda m: str(int(m[1]) + 1), name)
    layer, _, kind = name.rpartition("/")
    kinds = _OF_NORMS if layer.endswith("norm") else _OF_OTHERS
    return [Target(f"{layer}/{kinds.get(kind, kind)}", to_ours)]


def to_ours(x: np.ndarray) -> np.ndarray:
    """Kernels [O, I, h, w] to [h, w, I, O], depthwise ones to [h, w, C, 1].

    A kernel of one input channel is a depthwise one. [O, I] becomes [I, O].
    """
    if x.ndim == 2:
        return x.T
    if x.ndim != 4:
        return x
    return x.transpose((2, 3, 0, 1) if x.shape[1] == 1 else (2, 3, 1, 0))


# Bases are drawn in every call, unless a file holds them.
SOURCE = Source(
    targets,
    by_class=("decode_head.conv_seg.bias", "head.bias"),
    without=(_BASES,),
)
