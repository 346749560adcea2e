"""Number types train a small panoptic model equally well; half an hour."""

import pathlib

import pytest
import tf_keras

from axial_deeplab.experiments import config_options, trainer
from tests.experiments.float16_arithmetic import use_accelerator_products
from tests.integration.converted import convert

PROJECT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return convert("shapes", tmp_path_factory.mktemp("scenes"))


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    tf_keras.mixed_precision.set_global_policy("float32")


def panoptic_quality(scenes, model_dir, dtype):
    """PQ in percent after the shapes experiment, first weights alike."""
    tf_keras.utils.set_random_seed(1)
    config = config_options.experiment_config(
        "axial_deeplab_shapes",
        [str(PROJECT / "configs" / "shapes" / "axial_deeplab_xs.yaml")],
        f"task.train_data.input_path='{scenes}/train-*',"
        f"task.validation_data.input_path='{scenes}/val-*',"
        f"task.train_data.seed=1,runtime.mixed_precision_dtype={dtype}",
    )
    _, report = trainer.run_experiment(config, "train_and_eval", str(model_dir))
    return 100 * report["panoptic_quality"]["All"]["pq"]


@pytest.mark.large
def test_number_types_train_to_within_two_points(scenes, tmp_path, monkeypatch):
    found = {}
    for dtype in ("float16", "bfloat16", "float32"):
        with monkeypatch.context() as patch:
            if dtype == "float16":  # native kernels of CPUs take hours
                use_accelerator_products(patch)
            found[dtype] = panoptic_quality(scenes, tmp_path / dtype, dtype)
    assert min(found.values()) > 60, found
    assert max(found.values()) - min(found.values()) <= 2, found
