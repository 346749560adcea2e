"""Keys and shapes of DeepLab2's checkpoints, from their description.

Blocks and stages are counted from 1. `f` is the base width of a stage; what a
block returns has 4 f channels.
"""

import itertools
from typing import NamedTuple

HEADS, TABLE_ROWS = 8, 509
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


class Encoder(NamedTuple):
    """Blocks of the stages up to 5; kinds of those that are no `common`."""

    blocks: tuple[int, ...]
    common: str
    late: str  # from `late_from` on, a stage and a block
    late_from: tuple[int, int]
    stem: str


def _wide(layers, late, late_from):
    counts = (int(number * layers) for number in (3, 6, 3, 3))
    return Encoder((3, *counts), "basic", late, late_from, "wide")


_AXIAL, _LAST = (4, 2), (5, 1)
ENCODERS = {
    "resnet_50_unpooled": Encoder(
        (3, 4, 6, 3), "bottleneck", "bottleneck", _LAST, "7x7"
    ),
    "resnet_50_beta": Encoder(
        (3, 4, 6, 3), "bottleneck", "bottleneck", _LAST, "inception"
    ),
    "max_deeplab_s": Encoder(
        (3, 4, 6, 3), "bottleneck", "axial", _AXIAL, "inception"
    ),
    "max_deeplab_l": _wide(1, "wide_axial", _AXIAL),
    "axial_swidernet_1_1_1": _wide(1, "wide_axial", _AXIAL),
    "axial_swidernet_1_1_3": _wide(3, "wide_axial", _AXIAL),
    "axial_swidernet_1_1_4.5": _wide(4.5, "wide_axial", _AXIAL),
    "wide_resnet_41": _wide(1, "wide_bottleneck", _LAST),
    "swidernet_sac_1_1_1": _wide(1, "switchable", _LAST),
    "swidernet_sac_1_1_3": _wide(3, "switchable", _LAST),
    "swidernet_sac_1_1_4.5": _wide(4.5, "switchable", _LAST),
}


class MobileBlock(NamedTuple):
    """Of MobileNetV3; `reduced` of the squeeze-and-excite, 0: there is none."""

    kernel: int
    stride: int
    channels: int
    expanded: int
    filters: int
    activation: str
    reduced: int
    endpoint: str = ""


class MobileRun(NamedTuple):
    """Blocks of equal filters; the last is the endpoint, if it has a name."""

    kernel: int
    stride: int  # of the first block
    filters: int
    activation: str
    squeezes: bool
    expanded: tuple[int, ...]
    endpoint: str = ""


def _squeezed(channels):
    """A quarter in eights, of which no tenth is lost to rounding."""
    eights = max(1, int(channels / 32 + 0.5))
    return 8 * (eights + (8 * eights < 0.9 * channels / 4))


def _mobile_blocks(runs):
    channels = 16
    for run in runs:
        for i, expanded in enumerate(run.expanded):
            yield MobileBlock(
                run.kernel,
                1 if i else run.stride,
                channels,
                expanded,
                run.filters,
                run.activation,
                _squeezed(expanded) if run.squeezes else 0,
                run.endpoint if i == len(run.expanded) - 1 else "",
            )
            channels = run.filters


_R, _H = "relu", "hard_swish"
# First and last convolution beside: 16 channels, stride 2; 1x1 to the number.
_SMALL = (
    MobileRun(3, 2, 16, _R, True, (16,), "res2"),
    MobileRun(3, 2, 24, _R, False, (72, 88), "res3"),
    MobileRun(5, 2, 40, _H, True, (96, 240, 240)),
    MobileRun(5, 1, 48, _H, True, (120, 144), "res4"),
    MobileRun(5, 2, 96, _H, True, (288, 576, 576)),
)
_LARGE = (
    MobileRun(3, 1, 16, _R, False, (16,), "res1"),
    MobileRun(3, 2, 24, _R, False, (64, 72), "res2"),
    MobileRun(5, 2, 40, _R, True, (72, 120, 120), "res3"),
    MobileRun(3, 2, 80, _H, False, (240, 200, 184, 184)),
    MobileRun(3, 1, 112, _H, True, (480, 672), "res4"),
    MobileRun(5, 2, 160, _H, True, (672, 960, 960)),
)
MOBILENETS = {
    "mobilenet_v3_small": ("res1", [*_mobile_blocks(_SMALL)], 576),
    "mobilenet_v3_large": ("", [*_mobile_blocks(_LARGE)], 960),
}


def model_shapes(name, classes=19):
    """Shape by key (without its ending) of a panoptic model."""
    shapes = encoder_shapes(name)
    levels, last, pyramid = (512, 256), 2048, True
    if name in MOBILENETS:
        _, blocks, last = MOBILENETS[name]
        inside = {block.endpoint: block.expanded for block in blocks}
        levels = (inside["res3"], inside["res2"])
    else:
        pyramid = "axial" not in ENCODERS[name].late
    return shapes | dict(_decoders(levels, last, classes, pyramid))


def encoder_shapes(name, width=1.0, blocks=None):
    """That of an encoder; `blocks` and `width` make smaller ones."""
    if name in MOBILENETS:
        return dict(_mobilenet(*MOBILENETS[name][1:]))
    plan = ENCODERS[name]
    return dict(_resnet(plan._replace(blocks=blocks or plan.blocks), width))


def _resnet(plan, width):
    stem, channels = _stem(plan.stem, round(64 * width))
    yield from stem
    stages = range(6 - len(plan.blocks), 6)
    for stage, count in zip(stages, plan.blocks, strict=True):
        f = round(32 * 2 ** (stage - 1) * width)
        for block in range(1, count + 1):
            late = (stage, block) >= plan.late_from
            kind = plan.late if late else plan.common
            path = f"encoder/_stage{stage}/_block{block}"
            if channels != 4 * f:
                yield from _conv(f"{path}/_shortcut", 1, channels, 4 * f)
            yield from _block(kind, path, channels, f)
            channels = 4 * f


def _stem(kind, n):
    path = "encoder/_stem"
    if kind != "inception":
        return _conv(path, {"wide": 3, "7x7": 7}[kind], 3, n), n
    sizes = ((3, n), (n, n), (n, 2 * n))
    names = ("_conv1_bn_act", "_conv2_bn_act", "_conv3_bn")
    parts = (
        _conv(f"{path}/{name}", 3, *size)
        for name, size in zip(names, sizes, strict=True)
    )
    return itertools.chain(*parts), 2 * n


def _block(kind, path, channels, f):
    if kind == "basic":
        yield from _conv(f"{path}/_conv1_bn_act", 3, channels, 4 * f)
        yield from _conv(f"{path}/_conv2_bn", 3, 4 * f, 4 * f)
        return
    inner, out = f, f if kind == "bottleneck" else 2 * f
    if "axial" in kind:
        inner = out = {"axial": 2, "wide_axial": 4}[kind] * f
    yield from _conv(f"{path}/_conv1_bn_act", 1, channels, inner)
    if "axial" in kind:
        for axis in ("_height_axis", "_width_axis"):
            yield from _attention(
                f"{path}/_attention/{axis}", inner, inner // 2
            )
    else:
        yield from _conv(f"{path}/_conv2_bn_act", 3, inner, out)
    if kind == "switchable":
        yield from _switch(f"{path}/_conv2_bn_act", inner, out)
    yield from _conv(f"{path}/_conv3_bn", 1, out, 4 * f)


def _switch(path, channels, filters):
    yield from _biased(f"{path}/_conv/_switch", channels, 1)
    for place, n in (("pre", channels), ("post", filters)):
        yield from _biased(f"{path}/_{place}_global_context/convolution", n, n)


def _attention(path, values, keys):
    columns = 2 * keys + values
    yield f"{path}/qkv_kernel", (values, columns)
    yield from _norm(f"{path}/_batch_norm_qkv", (columns,))
    similarity = (3, 1, HEADS, 1, 1)
    yield from _norm(f"{path}/_batch_norm_similarity", similarity)
    output = (2, 1, HEADS, 1, values // HEADS)
    yield from _norm(f"{path}/_batch_norm_retrieved_output", output)
    for kind, depth in (("query", keys), ("key", keys), ("value", values)):
        table = (TABLE_ROWS, depth // HEADS)
        yield f"{path}/_{kind}_rpe/embeddings", table


def _mobilenet(blocks, last):
    yield from _conv("encoder/_blocks/0", 3, 3, 16)
    for i, block in enumerate(blocks, start=1):
        path = f"encoder/_blocks/{i}"
        if block.expanded > block.channels:
            size = block.channels, block.expanded
            yield from _conv(f"{path}/_conv1_bn_act", 1, *size)
        depthwise = f"{path}/_conv2_bn_act"
        yield from _depthwise(depthwise, block.kernel, block.expanded)
        if block.reduced:
            gate, n = f"{path}/_squeeze_excitation", block.reduced
            yield from _biased(f"{gate}/_se_reduce", block.expanded, n)
            yield from _biased(f"{gate}/_se_expand", n, block.expanded)
        yield from _conv(f"{path}/_conv3_bn", 1, block.expanded, block.filters)
    path = f"encoder/_blocks/{len(blocks) + 1}"
    yield from _conv(path, 1, blocks[-1].filters, last)


def _decoders(levels, last, classes, pyramid):
    plans = {"semantic": ((64, 32), 256), "instance": ((32, 16), 128)}
    for name, (low, filters) in plans.items():
        path, below = f"{name}_decoder", 256
        yield from _context(f"{path}/_aspp", last, pyramid)
        for i, (n, projected) in enumerate(zip(levels, low, strict=True), 1):
            yield from _conv(f"{path}/_low_level_conv{i}", 1, n, projected)
            fused = f"{path}/_fusion_conv{i}/_conv1_bn_act"
            yield from _separable(fused, below + projected, filters)
            below = filters
    heads = {
        "semantic": (256, 256, classes),
        "instance_center": (128, 32, 1),
        "instance_regression": (128, 32, 2),
    }
    for name, (channels, filters, outputs) in heads.items():
        head = name if name == "semantic" else f"{name}_head"
        path = f"{head}_last_layer"
        before = f"{name}_head_without_last_layer/_conv1_bn_act"
        yield from _separable(before, channels, filters)
        yield from _biased(path, filters, outputs)


def _context(path, channels, pyramid):
    if not pyramid:
        yield from _conv(f"{path}/_proj_conv_bn_act", 1, channels, 256)
        return
    yield from _conv(f"{path}/_conv_bn_act", 1, channels, 256)
    for i in (1, 2, 3):
        branch = f"{path}/_aspp_conv{i}/_conv_bn_act"
        yield from _conv(branch, 3, channels, 256)
    yield from _conv(f"{path}/_aspp_pool/_conv_bn_act", 1, channels, 256)
    yield from _conv(f"{path}/_proj_conv_bn_act", 1, 5 * 256, 256)


def _separable(path, channels, filters):
    yield from _depthwise(f"{path}/_depthwise", 5, channels)
    yield from _conv(f"{path}/_pointwise", 1, channels, filters)


def _depthwise(path, k, channels):
    yield f"{path}/_depthwise_conv/depthwise_kernel", (k, k, channels, 1)
    yield from _norm(f"{path}/_batch_norm", (channels,))


def _conv(path, k, channels, filters):
    yield f"{path}/_conv/kernel", (k, k, channels, filters)
    yield from _norm(f"{path}/_batch_norm", (filters,))


def _biased(path, channels, filters):
    yield f"{path}/kernel", (1, 1, channels, filters)
    yield f"{path}/bias", (filters,)


def _norm(path, shape):
    return ((f"{path}/{part}", shape) for part in _NORM)
