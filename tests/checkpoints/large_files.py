"""Checkpoints of published sizes: every tensor is drawn from its name."""

import math
import zlib

import numpy as np
import tensorflow as tf

from tests.checkpoints import torch_writers
from tests.checkpoints.deeplab2_golden import ENDING

_VARIANCES = ("moving_variance", "running_var")


def values(name, shape):
    """Seeded by the name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = rng.standard_normal(shape, np.float32)
    if name.endswith(_VARIANCES):
        return 1 + np.abs(drawn)
    if name.endswith("_switch/kernel"):
        # They multiply maps with maps, which would be squared in each block.
        return np.float32(1e-12) * drawn
    # Kernels and tables keep the size of what goes through.
    return drawn / np.float32(math.sqrt(max(math.prod(shape[:-1]), 1)))


def write_deeplab2(prefix, shapes, changes=()):
    """A TensorFlow checkpoint of these shapes by key; slots of the first.

    `changes` are values by key that are not drawn.
    """
    changes = dict(changes)
    keys = [f"{name}{ENDING}" for name in shapes]
    tensors = [
        changes[name] if name in changes else values(name, shape)
        for name, shape in shapes.items()
    ]
    slot = f"{next(iter(shapes))}/.OPTIMIZER_SLOT/optimizer/m{ENDING}"
    keys += [slot, f"global_step{ENDING}"]
    tensors += [tensors[0], np.int64(7)]
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=keys,
        shape_and_slices=[""] * len(keys),
        tensors=tensors,
    )


def write_torch(path, shapes):
    """A file of PyTorch, legacy by its ending .pt, or of safetensors."""
    write = {
        ".pth": torch_writers.zip_bytes,
        ".pt": torch_writers.legacy_bytes,
        ".safetensors": torch_writers.safetensors_bytes,
    }[path.suffix]
    arrays = {name: values(name, shape) for name, shape in shapes.items()}
    path.write_bytes(write(torch_writers.tensors(arrays)))


def stacked_decoder_shapes():
    """Of MaX-DeepLab-L's encoder, a part of what no head reads."""
    root = "encoder/_decoder_stage"
    return {
        f"{root}1/_block1/_conv1_bn_act/_conv/kernel": (3, 3, 512, 512),
        f"{root}1_resized_fuse/_resized_conv_bn1/_conv/kernel": (
            *(1, 1),
            *(2048, 512),
        ),
        f"{root}4_resized_fuse/_strided_conv_bn1/_conv/kernel": (
            *(1, 1),
            *(512, 2048),
        ),
    }
