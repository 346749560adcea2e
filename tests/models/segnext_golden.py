"""SegNeXt's reference data as weights, images and bases of our models."""

import importlib.util
import json

import numpy as np

from axial_deeplab.checkpoints import from_segnext
from axial_deeplab.checkpoints.weight_map import weights_by_name
from tests.golden import golden_path


def our_name(theirs):
    """The name of the weight that is theirs."""
    (target,) = from_segnext.targets(theirs)
    return target.name


def to_ours(value):
    """A kernel or its gradient in our order."""
    return from_segnext.to_ours(np.asarray(value))


def weights_by_public_name(golden, model):
    """Our weights under their names; every one of ours is found once."""
    ours = weights_by_name(model)
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


def rule():
    """The module that makes weights, images and bases from their names."""
    path = golden_path("golden_rule.py")
    spec = importlib.util.spec_from_file_location("golden_rule", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state_dict(golden):
    """The tensors that the reference had, by their names."""
    make, salt = rule().tensor, golden.meta["salt"]
    names = golden.arrays["names"].tolist()
    shapes = map(json.loads, golden.arrays["shapes"].tolist())
    return {
        name: make(name, shape, salt)
        for name, shape in zip(names, shapes, strict=True)
    }


def load_weights(golden, model):
    """Gives the model the weights that the reference had."""
    values = state_dict(golden)
    for name, weight in weights_by_public_name(golden, model).items():
        weight.assign(to_ours(values[name]))


def nhwc(x):
    return np.asarray(x).transpose(0, 2, 3, 1)
