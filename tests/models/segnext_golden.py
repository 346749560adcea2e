"""SegNeXt's reference data as weights, images and bases of our models."""

import importlib.util
import json
import re

import numpy as np

from tests.golden import golden_path

# Parts of the public names, in the order in which they are replaced, and ours.
_PARTS = [
    (r"^backbone\.patch_embed1\.proj\.0", "stem/embedding_0/conv"),
    (r"^backbone\.patch_embed1\.proj\.1", "stem/embedding_0/batch_norm"),
    (r"^backbone\.patch_embed1\.proj\.3", "stem/embedding_1/conv"),
    (r"^backbone\.patch_embed1\.proj\.4", "stem/embedding_1/batch_norm"),
    (r"^backbone\.patch_embed(\d)\.proj", r"res<\1>_embedding/conv"),
    (r"^backbone\.patch_embed(\d)\.norm", r"res<\1>_embedding/batch_norm"),
    (r"^backbone\.block(\d)\.(\d+)\.", r"res<\1>_block\2/"),
    (r"^backbone\.norm(\d)", r"res<\1>_norm"),
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
_OF_CONVOLUTIONS = {"weight": "kernel", "bias": "bias"}


def our_name(theirs):
    """The name of a weight, without what the model adds in front."""
    name = theirs
    for pattern, ours in _PARTS:
        name = re.sub(pattern, ours, name)
    # Their stages count from 1, our levels from 2.
    name = re.sub(r"<(\d)>", lambda m: str(int(m[1]) + 1), name)
    layer, _, kind = name.rpartition("/")
    kinds = _OF_NORMS if layer.endswith("norm") else _OF_CONVOLUTIONS
    return f"{layer}/{kinds.get(kind, kind)}"


def to_ours(value):
    """Kernels [O, I, h, w] to [h, w, I, O], depthwise ones to [h, w, C, 1].

    A kernel of one input channel is a depthwise one.
    """
    value = np.asarray(value)
    if value.ndim != 4:
        return value
    depthwise = value.shape[1] == 1
    return value.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))


def weights_by_public_name(golden, model):
    """Our weights under their names; every one of ours is found once."""
    ours = {_short(weight.name): weight for weight in model.weights}
    names = [
        name
        for name in golden.arrays["names"].tolist()
        if not name.endswith("num_batches_tracked")
    ]
    found = {name: ours[our_name(name)] for name in names}
    left = set(ours) - {our_name(name) for name in names}
    assert len(found) == len({id(w) for w in found.values()})
    assert left == {"decoder/context/bases"}
    return found


def _short(name):
    return name.removesuffix(":0").split("backbone/")[-1]


def rule():
    """The module that makes weights, images and bases from their names."""
    path = golden_path("golden_rule.py")
    spec = importlib.util.spec_from_file_location("golden_rule", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_weights(golden, model):
    """Gives the model the weights that the reference had."""
    shapes = dict(
        zip(
            golden.arrays["names"].tolist(),
            map(json.loads, golden.arrays["shapes"].tolist()),
            strict=True,
        )
    )
    make, salt = rule().tensor, golden.meta["salt"]
    for name, weight in weights_by_public_name(golden, model).items():
        weight.assign(to_ours(make(name, shapes[name], salt)))


def nhwc(x):
    return np.asarray(x).transpose(0, 2, 3, 1)
