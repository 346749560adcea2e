"""Fixtures of the tests that train; a folder's conftest imports them."""

import pathlib

import pytest

from tests.experiments import case


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> pathlib.Path:
    """The records of `case.write_scenes`, for reading only."""
    return case.write_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def toy_model(monkeypatch) -> None:
    case.use_toy_model(monkeypatch)


@pytest.fixture
def tiny_axial_deeplab(monkeypatch) -> None:
    case.use_tiny_axial_deeplab(monkeypatch)
