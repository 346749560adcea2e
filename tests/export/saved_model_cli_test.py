"""An export in TensorFlow's own command line, which knows no package of ours.

It loads the model as TensorFlow Serving does: by its tag and signatures.
"""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from axial_deeplab.export import export_saved_model, load
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model, and the folder of its SavedModel."""
    folder = tmp_path_factory.mktemp("cli") / "model"
    model = ToyPanopticModel()
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder)
    return folder


def test_an_image_goes_through_the_default_signature(exported, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 14, 19, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    command = [
        *(pathlib.Path(sys.executable).with_name("saved_model_cli"), "run"),
        *("--dir", exported),
        *("--tag_set", "serve", "--signature_def", "serving_default"),
        *("--inputs", f"images={tmp_path}/images.npy"),
        *("--outdir", tmp_path / "found"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    expected = load(exported).predict(images)
    found = {
        path.stem: np.load(path) for path in (tmp_path / "found").iterdir()
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, name)
