import types

import numpy as np
import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from axial_deeplab.experiments import summaries
from axial_deeplab.experiments.training_step import check_xla
from tests.experiments import case
from tests.experiments.trainer_case import run

COMPILED = "runtime.enable_xla=true"


@pytest.fixture
def compiled(monkeypatch):
    """What becomes a function that XLA compiles."""
    found, original = [], tf.function

    def function(*args, **kwargs):
        if kwargs.get("jit_compile"):
            found.append(args[0])
        return original(*args, **kwargs)

    monkeypatch.setattr(tf, "function", function)
    return found


def _losses(folder):
    return np.array(summaries.read_scalars(folder / "train")["training_loss"])


def _compare(scenes, folder, compiled, *options):
    run(scenes, folder / "plain", "train", *options)
    assert not compiled
    run(scenes, folder / "xla", "train", COMPILED, *options)
    assert compiled
    plain, xla = _losses(folder / "plain"), _losses(folder / "xla")
    assert len(xla) == 2
    np.testing.assert_allclose(xla, plain, rtol=1e-3)


@pytest.mark.parametrize(
    "options", [[], ["trainer.accumulation_steps=2"]], ids=["plain", "parts"]
)
def test_compiled_steps_are_the_same(
    scenes, tmp_path, compiled, monkeypatch, options
):
    case.use_toy_model(monkeypatch)
    _compare(scenes, tmp_path, compiled, *options)


@pytest.mark.large
def test_attention_is_compiled(scenes, tmp_path, compiled, monkeypatch):
    case.use_tiny_axial_deeplab(monkeypatch)
    run(scenes, tmp_path, "train", COMPILED)
    assert compiled and np.all(np.isfinite(_losses(tmp_path)))


@pytest.mark.parametrize("leaves, refused", [(True, True), (False, False)])
def test_replicas_that_meet_on_the_host_are_refused(leaves, refused):
    extended = types.SimpleNamespace(_use_merge_call=lambda: leaves)
    strategy = types.SimpleNamespace(num_replicas_in_sync=2, extended=extended)
    check_xla(cfg.RuntimeConfig(), strategy)
    if not refused:
        check_xla(cfg.RuntimeConfig(enable_xla=True), strategy)
        return
    with pytest.raises(ValueError, match="enable_xla: .*2 replicas") as caught:
        check_xla(cfg.RuntimeConfig(enable_xla=True), strategy)
    assert "\n" not in f"{caught.value}"


def test_two_devices_of_tensorflow_are_refused():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    check_xla(cfg.RuntimeConfig(enable_xla=True), strategy)  # one device
    assert strategy.extended._use_merge_call()  # else the check sees nothing
