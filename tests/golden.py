"""Finds the reference values that lie beside the project.

They were made with the public implementations and are not part of a clone:
`GOLDEN_DIR` names their folder, else `../shared/golden` is tried. A test that
asks for a missing file skips and says so.
"""

import json
import os
import pathlib
import types

import numpy as np
import pytest

_PROJECT = pathlib.Path(__file__).resolve().parent.parent
_BESIDE = _PROJECT.parent / "shared"


def golden_path(name: str) -> pathlib.Path:
    """Path of one golden file or folder; skips the test if it is missing."""
    folder = pathlib.Path(os.environ.get("GOLDEN_DIR", _BESIDE / "golden"))
    return _existing(folder / name, "GOLDEN_DIR")


def coco_sample_path() -> pathlib.Path:
    """Folder of the COCO sample photographs; skips the test if missing."""
    folder = os.environ.get("COCO_SAMPLE_DIR", _BESIDE / "coco_sample")
    return _existing(pathlib.Path(folder), "COCO_SAMPLE_DIR")


def load_golden(name: str) -> types.SimpleNamespace:
    """Arrays (`.arrays`, by key) and description (`.meta`) of an npz file."""
    with np.load(golden_path(name), allow_pickle=False) as data:
        arrays = {key: data[key] for key in data.files if key != "meta"}
        return types.SimpleNamespace(
            arrays=arrays, meta=json.loads(str(data["meta"]))
        )


def assert_close_to_largest(actual, expected, relative: float, what: str = ""):
    """Asserts |actual - expected| <= relative * max|expected| everywhere."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (what, actual.shape, expected.shape)
    error = np.max(np.abs(actual - expected), initial=0.0)
    limit = relative * np.max(np.abs(expected), initial=0.0)
    assert error <= limit, f"{what}: error {error:.3g} > limit {limit:.3g}"


def _existing(path: pathlib.Path, variable: str) -> pathlib.Path:
    if not path.exists():
        pytest.skip(f"no reference data at {path} (set {variable})")
    return path
