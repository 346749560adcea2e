"""The reference Axial-ResNet in PyTorch: its weights, and our model of it."""

import dataclasses
import hashlib
import math
import re
import zlib

import numpy as np

from axial_deeplab.backbones.axial_resnet import POOLED_AXIAL_RESNETS
from axial_deeplab.backbones.backbone import PixelStatistics
from axial_deeplab.models.image_classifier import ImageClassifier


def state_dict(golden):
    """The tensors by name, made by the rule and proved by the checksum."""
    salt, found = golden.meta["salt"], {}
    for entry in golden.meta["state_dict"]:
        name, shape = entry["name"], tuple(entry["shape"])
        seed = zlib.crc32(f"{salt}{name}".encode())
        n = np.random.default_rng(seed).standard_normal(shape)
        values = values_by_rule(entry["rule"], n)
        found[name] = np.asarray(values, entry["dtype"]).reshape(shape)
    floats = {k: x for k, x in found.items() if x.dtype == np.float32}
    assert sha256(floats) == golden.meta["weights_sha256"]
    return found


def values_by_rule(rule, n):
    """What a rule of the file says, with n drawn."""
    if found := re.fullmatch(r"n \* sqrt\(2 / (\d+)\)", rule):
        return n * math.sqrt(2 / int(found[1]))
    if found := re.fullmatch(r"n / sqrt\((\d+)\)", rule):
        return n / math.sqrt(int(found[1]))
    if rule.startswith("constructor value"):
        places = np.arange(math.isqrt(n.size))
        return places[:, np.newaxis] - places + len(places) - 1
    rules = {"1 + 0.1 n": 1 + 0.1 * n, "0.1 n": 0.1 * n, "1 + |n|": 1 + abs(n)}
    return rules[rule] if rule in rules else {"int64 0": 0 * n}[rule]


def sha256(arrays):
    """The checksum that the file describes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        x = arrays[name]
        for part in (name, x.dtype.str, f"{x.shape}"):
            digest.update(part.encode() + b"\0")
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()


def classifier(golden):
    """Our model of their sizes, whose input is normalised already."""
    config = golden.meta["config"]
    row = dataclasses.replace(
        POOLED_AXIAL_RESNETS["pooled_axial_resnet_26_s"],
        blocks=tuple(config["layers"]),
        width=config["s"],
        pixels=PixelStatistics((0.0,) * 3, (1.0,) * 3),
    )
    model = ImageClassifier(row.build(), config["num_classes"])
    model.build((None, None, None, 3))
    return model
