"""Every weight is found, everything else is named, nothing half is done."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.checkpoints.torch_files import read_tensors
from axial_deeplab.checkpoints.weight_map import (
    Source,
    Target,
    format_rows,
    restore_weights,
    weights_by_name,
)
from tests.checkpoints import torch_writers as writers

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
STATE = {
    "fc.weight": KERNEL,
    "fc.bias": np.array([0.5, -1.0], np.float16),
    "fc.calls": np.array(3),
}
NAMES = {"fc.weight": "dense/kernel", "fc.bias": "dense/bias"}
OURS = {f"fc.{name}": f"dense/{name}" for name in ("norm", "scale")}


def targets(name):
    if name.endswith("calls"):
        return []
    ours = (NAMES | OURS).get(name)
    return [Target(ours, np.transpose)] if ours else None


SOURCE = Source(targets, by_class=("out.bias", "fc.bias"))


@pytest.fixture
def model():
    one = tf_keras.Sequential([tf_keras.layers.Dense(2, name="dense")])
    one.build((None, 3))
    return one


@pytest.fixture
def stored(tmp_path):
    """Writes tensors, and opens the file."""

    def stored(arrays):
        path = tmp_path / "toy.pth"
        path.write_bytes(writers.zip_bytes(writers.tensors(arrays)))
        return read_tensors(path)

    return stored


def test_every_weight_is_filled(stored, model):
    tensors = stored(STATE)
    assert SOURCE.num_classes(tensors) == 2
    rows = restore_weights(tensors, SOURCE, model)
    x = np.ones([1, 3], np.float32)
    np.testing.assert_array_equal(model(x), [[3.5, 11.0]])
    lines = [line.split() for line in format_rows(rows).splitlines()]
    assert lines == [
        ["tensor", "weight", "shape"],
        ["fc.weight", "dense/kernel", "[3,", "2]"],
        ["fc.bias", "dense/bias", "[2]"],
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fc.mean": KERNEL, "fc.norm": KERNEL},
            "2 tensors that are no weights of it: fc.mean, fc.norm",
        ),
        ({"fc.bias": None}, "1 weights of it without a tensor: dense/bias"),
        (
            {"fc.weight": KERNEL.T},
            r"1 tensors .* fit: fc.weight \(\(2, 3\), .*kernel is \(3, 2\)\)",
        ),
        ({"fc.bias": np.zeros(2, np.int64)}, r"fc.bias \(int64, dense/bias"),
    ],
)
def test_what_is_left_over_is_listed(stored, model, changes, message):
    before = model.get_weights()
    arrays = {k: x for k, x in (STATE | changes).items() if x is not None}
    with pytest.raises(ValueError, match=message) as error:
        restore_weights(stored(arrays), SOURCE, model)
    assert "\n" not in str(error.value)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_two_tensors_for_one_weight_are_refused(stored, model):
    bias = STATE["fc.bias"]
    both = Source(lambda _: [Target("dense/bias")], by_class=())
    with pytest.raises(ValueError, match=r"b \(a second one for dense/bias\)"):
        restore_weights(stored({"a": bias, "b": bias}), both, model)


def test_files_may_lack_what_the_source_says(stored, model):
    source = Source(targets, (), without=("dense/bias",))
    restore_weights(stored({"fc.weight": KERNEL}), source, model)
    np.testing.assert_array_equal(model.layers[0].kernel, KERNEL.T)


def test_long_lists_are_cut(stored, model):
    arrays = STATE | {f"x{i}": KERNEL for i in range(30)}
    with pytest.raises(ValueError, match="30 tensors .*: x0, .* and 10 more"):
        restore_weights(stored(arrays), SOURCE, model)


def test_weights_of_one_name_are_refused():
    model = tf.Module(name="toy")
    model.weights = [tf.Variable(1.0, name="a") for _ in range(2)]
    with pytest.raises(ValueError, match="toy has two weights a"):
        weights_by_name(model)
