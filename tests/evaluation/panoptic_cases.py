"""Access to the recorded results of the official tool."""

import json
import math

import numpy as np
import pytest

from tests import golden

NAME = "panoptic_cases"


def names(with_missing: bool = True) -> list[str]:
    """Names of the cases; one empty name where the file is missing.

    Test parameters are collected before a test can skip. Without `with_missing`
    the cases that lack a prediction are left out: only files can.
    """
    try:
        cases = _cases()
    except pytest.skip.Exception:
        return [""]
    return [
        case["name"]
        for case in cases
        if with_missing or all(image["pred_key"] for image in case["images"])
    ]


def load(name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """One case and all maps; skips the test where the files are missing."""
    with np.load(golden.golden_path(f"{NAME}.npz"), allow_pickle=False) as data:
        case = next(case for case in _cases() if case["name"] == name)
        return case, {k: data[k] for k in data.files if k.startswith(name)}


def number(value) -> float:
    """A recorded number: null is NaN, "inf" a string."""
    return math.nan if value is None else float(value)


def _cases() -> list[dict]:
    path = golden.golden_path(f"{NAME}.json")
    return json.loads(path.read_text())["cases"]
