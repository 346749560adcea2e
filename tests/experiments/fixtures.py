"""Fixtures of the tests that train; a folder's conftest imports them."""

import pathlib
import shutil
from typing import Any, NamedTuple

import pytest

from axial_deeplab.experiments import trainer
from tests.experiments import case

__all__ = [
    "scenes",
    "tiny_axial_deeplab",
    "toy_model",
    "trained",
    "trained_once",
]


class Trained(NamedTuple):
    """What a run of `case.config` with the toy model has left."""

    model: case.ToyModel
    report: dict[str, Any]
    folder: pathlib.Path


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


@pytest.fixture(scope="session")
def trained_once(scenes, tmp_path_factory) -> Trained:
    """Two steps and an evaluation, for reading only."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        case.use_toy_model(patch)
        found = trainer.run_experiment(
            case.config(scenes), "train_and_eval", str(folder)
        )
    return Trained(*found, folder)


@pytest.fixture
def trained(trained_once, tmp_path) -> Trained:
    """Its folder is a copy, to go on from or to spoil."""
    folder = tmp_path / "run"
    shutil.copytree(trained_once.folder, folder)
    return trained_once._replace(folder=folder)
