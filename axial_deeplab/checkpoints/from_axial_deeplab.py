"""Names and orders of the authors' PyTorch code of arXiv:2003.07853.

Its models are the `pooled_axial_resnet_*` rows. Queries, keys and values are
interleaved head by head there, contents and positions channel by channel; the
three position tables are one tensor, in which offsets are "query - key" for
queries and values, and "key - query", as everywhere here, for keys.
"""

import functools
import re
from collections.abc import Callable

import numpy as np

from axial_deeplab.checkpoints.weight_map import Source, Target

_HEADS = 8
_KINDS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_STEM = {"conv1": "conv", "bn1": "batch_norm"}
_BLOCK = {
    "conv_down": "reduce/conv",
    "bn1": "reduce/batch_norm",
    "conv_up": "expand/conv",
    "bn2": "expand/batch_norm",
    "downsample.0": "shortcut/conv",
    "downsample.1": "shortcut/batch_norm",
}
_AXES = {"hight_block": "height_axis", "width_block": "width_axis"}


def targets(name: str) -> list[Target] | None:
    """What becomes of a tensor of the state dictionary."""
    if name.endswith(("num_batches_tracked", "flatten_index")):
        return []
    module, _, kind = name.rpartition(".")
    if module == "fc":
        ours = {"weight": "kernel", "bias": "bias"}.get(kind)
        return [Target(f"classify/{ours}", np.transpose)] if ours else None
    if module in _STEM:
        part = f"backbone/stem/convolution/{_STEM[module]}"
        return _convolution_or_norm(part, kind)
    found = re.fullmatch(r"layer(\d)\.(\d+)\.(.+)", name)
    if not found:
        return None
    # Their stages count from 1, our levels from 2.
    block = f"backbone/res{int(found[1]) + 1}_block{found[2]}"
    axis, _, inside = found[3].partition(".")
    if axis in _AXES:
        return attention_targets(inside, f"{block}/attention/{_AXES[axis]}/")
    part = _BLOCK.get(found[3].rpartition(".")[0])
    return part and _convolution_or_norm(f"{block}/{part}", kind)


def attention_targets(
    name: str, layer: str = "", heads: int = _HEADS
) -> list[Target] | None:
    """What becomes of a tensor of one attention layer.

    Args:
      name: in their layer.
      layer: what stands in front of the names of our weights.
      heads: number of heads.
    """
    by_kind = functools.partial(_by_kind, heads=heads)
    if name == "relative":
        return [
            Target(f"{layer}{part}_position", convert)
            for part, convert in _TABLES.items()
        ]
    if name == "qkv_transform.weight":
        return [Target(f"{layer}qkv_kernel", lambda x: by_kind(x[..., 0]).T)]
    norm, _, kind = name.partition(".")
    converts: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "bn_qkv": by_kind,
        "bn_similarity": lambda x: x.reshape(3, heads),
        "bn_output": lambda x: x.reshape(-1, 2).T,
    }
    if norm not in converts or kind not in _KINDS:
        return None
    ours = f"{layer}{norm.removeprefix('bn_')}_norm/{_KINDS[kind]}"
    return [Target(ours, converts[norm])]


def _convolution_or_norm(part: str, kind: str) -> list[Target] | None:
    if part.endswith("norm"):
        return [Target(f"{part}/{_KINDS[kind]}")] if kind in _KINDS else None
    if kind != "weight":
        return None
    return [Target(f"{part}/kernel", lambda x: x.transpose(2, 3, 1, 0))]


def _by_kind(x: np.ndarray, heads: int) -> np.ndarray:
    """[heads * (q, k, v), ...] -> [all q, all k, all v, ...]."""
    by_head = x.reshape(heads, -1, *x.shape[1:])
    depth = by_head.shape[1]
    parts = np.split(by_head, [depth // 4, depth // 2], axis=1)
    return np.concatenate([part.reshape(-1, *x.shape[1:]) for part in parts])


# From [depth of q, k and v, 2 L - 1]; offsets of queries and values turn round.
_TABLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "query": lambda x: x[: len(x) // 4].T[::-1],
    "key": lambda x: x[len(x) // 4 : len(x) // 2].T,
    "value": lambda x: x[len(x) // 2 :].T[::-1],
}

SOURCE = Source(targets, by_class=("fc.bias",))
