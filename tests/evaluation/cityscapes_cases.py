"""Access to the recorded results of the official Cityscapes scripts."""

import json
import math

import numpy as np
import pytest

from tests import golden

NAME = "cityscapes_cases"


def names(kind: str) -> list[str]:
    """Names of the cases of a kind; one empty name where there is no file.

    Test parameters are collected before a test can skip.
    """
    try:
        cases = _cases()
    except pytest.skip.Exception:
        return [""]
    return [case["name"] for case in cases if case["kind"] == kind]


def load(name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """One case and its maps; skips the test where the files are missing."""
    with np.load(golden.golden_path(f"{NAME}.npz"), allow_pickle=False) as data:
        case = next(case for case in _cases() if case["name"] == name)
        prefix = f"{name}/"
        return case, {k: data[k] for k in data.files if k.startswith(prefix)}


def assert_official(ours, official, where: str = "result") -> None:
    """All that is recorded is there: counts equal, values to 1e-9."""
    if isinstance(official, dict):
        for key, value in official.items():
            assert_official(ours[_key(ours, key)], value, f"{where}.{key}")
    elif isinstance(official, list):
        assert len(ours) == len(official), where
        for index, value in enumerate(official):
            assert_official(ours[index], value, f"{where}[{index}]")
    elif official is None:
        assert math.isnan(ours), where
    elif isinstance(official, float):
        assert ours == pytest.approx(official, abs=1e-9), where
    else:
        assert ours == official, where


def assert_official_error(error: BaseException, official: dict) -> None:
    """Type and words; where the tool ends the process we raise ValueError."""
    if official["type"] == "SystemExit":
        assert isinstance(error, ValueError)
    else:
        assert type(error).__name__ == official["type"]
    words = official["message"].removeprefix("ERROR: ")
    # The recorded path of an image is not ours.
    assert words.split(" of pred/")[0] in error.args[0]


def _key(ours: dict, key: str):
    return key if key in ours else int(key)


def _cases() -> list[dict]:
    path = golden.golden_path(f"{NAME}.json")
    return json.loads(path.read_text())["cases"]
