"""Fixtures of the tests that train, and of those of tools/predict.py."""

import functools

import pytest

from tests.experiments.fixtures import *  # noqa: F403
from tests.tools import predict_case
from tools import predict


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return predict_case.export_toy(tmp_path_factory.mktemp("predict") / "m")


@pytest.fixture(scope="module")
def model(exported):
    return exported[0]


@pytest.fixture(scope="module")
def saved_model(exported):
    return exported[1]


@pytest.fixture(scope="module")
def loaded_once():
    """To load the same files in every test would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        load = functools.cache(predict.export.load)
        patch.setattr(predict.export, "load", load)
        yield


@pytest.fixture
def photographs(tmp_path):
    return predict_case.photographs(tmp_path / "photographs")
