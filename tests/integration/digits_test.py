"""Small classifiers learn to read real handwriting, within minutes."""

import pathlib

import pytest

from axial_deeplab.experiments import config_options, trainer
from axial_deeplab.experiments.classification_configs import DIGITS_MODELS
from tests.integration.converted import convert

PROJECT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return convert("digits", tmp_path_factory.mktemp("digits"))


@pytest.mark.large
@pytest.mark.parametrize("name", DIGITS_MODELS)
def test_handwritten_digits_are_read(digits, tmp_path, name):
    config = config_options.experiment_config(
        f"digits_{name}",
        [str(PROJECT / "configs" / "digits" / f"{name}.yaml")],
        f"task.train_data.input_path='{digits}/train-*',"
        f"task.validation_data.input_path='{digits}/test-*'",
    )
    _, report = trainer.run_experiment(config, "train_and_eval", str(tmp_path))
    assert report["images"] == 360
    assert report["top_1"] >= 0.97
