"""Files of the published sizes become models, with little memory."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from axial_deeplab import create_model
from axial_deeplab.checkpoints import from_axial_deeplab, from_deeplab2
from axial_deeplab.checkpoints.weight_map import weights_by_name
from tests.checkpoints import large_files
from tests.models.tiny_models import images
from tests.reference.axialnet_keys import state_shapes
from tests.reference.deeplab2_keys import model_shapes

_PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
# Largest growth of memory, by the bytes of the weights.
_LIMIT = 2.0
_MEASURE = """
import sys
import axial_deeplab
from axial_deeplab.checkpoints.memory import peak_bytes, resident_bytes
before = resident_bytes()
model = axial_deeplab.create_model(sys.argv[1], weights=sys.argv[2])
print((peak_bytes() - before) / (4 * model.count_params()))
"""

pytestmark = pytest.mark.large


def _run(*arguments):
    """What a process in the checkout prints."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=_PROJECT,
        env={"PYTHONPATH": str(_PROJECT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _import(source, path, name, output):
    """Imports and loads in processes of their own; checks their memory."""
    text = _run(
        "tools/import_checkpoint.py",
        f"--source={source}",
        f"--checkpoint={path}",
        f"--model={name}",
        f"--output={output}",
    )
    last = text.splitlines()[-1]
    print(last)  # noqa: T201 - read with -s
    assert float(re.search(r"([\d.]+) times the weights", last)[1]) <= _LIMIT
    loaded = float(_run("-c", _MEASURE, name, output))
    print(f"create_model: {loaded:.2f} times")  # noqa: T201
    assert loaded <= _LIMIT


def _check(model, shapes, targets):
    """Every weight is what became of the tensors of the file."""
    weights, count = weights_by_name(model), 0
    for name, shape in shapes.items():
        for target in targets(name):
            expected = target.convert(large_files.values(name, shape))
            np.testing.assert_array_equal(weights[target.name], expected, name)
            count += 1
    assert count == len(weights)


@pytest.mark.parametrize(
    "size",
    [
        "max_deeplab_s",
        "max_deeplab_l",
        "swidernet_sac_1_1_3",
        "axial_swidernet_1_1_3",
        "axial_swidernet_1_1_4.5",
    ],
)
def test_deeplab2(size, tmp_path):
    shapes, name = model_shapes(size), f"panoptic_deeplab_{size}"
    theirs = dict(shapes)
    if size == "max_deeplab_l":
        theirs |= large_files.stacked_decoder_shapes()
    large_files.write_deeplab2(tmp_path / "ckpt-60000", theirs)
    _import("deeplab2", tmp_path, name, tmp_path / "ours")
    model = create_model(name, weights=tmp_path / "ours")
    _check(model, shapes, from_deeplab2.source_of(shapes).targets)
    for name, value in model(images(65, 97)[:1]).items():
        assert np.all(np.isfinite(value)) and np.std(value) > 0, name


@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_pytorch(ending, tmp_path):
    name, path = "pooled_axial_resnet_l", tmp_path / f"axial50l.{ending}"
    shapes = state_shapes((3, 4, 6, 3), 1.0)
    large_files.write_torch(path, shapes)
    _import("axial_deeplab", path, name, tmp_path / "ours")
    model = create_model(name, weights=tmp_path / "ours")
    _check(model, shapes, from_axial_deeplab.targets)
