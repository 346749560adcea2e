"""Public weights, from files written as PyTorch does, to predictions."""

import dataclasses

import numpy as np
import pytest
from absl import flags

from axial_deeplab import create_model, keys
from axial_deeplab.backbones.axial_resnet import POOLED_AXIAL_RESNETS
from axial_deeplab.backbones.backbone import PixelStatistics
from axial_deeplab.layers import hamburger
from axial_deeplab.models import presets
from tests.checkpoints import axialnet_golden, torch_writers
from tests.golden import assert_close_to_largest, load_golden
from tests.models import segnext_golden
from tools import import_checkpoint

_RAW = PixelStatistics((0.0,) * 3, (1.0,) * 3)


def run(source, checkpoint, model, output):
    values = flags.FlagValues()
    import_checkpoint.define_flags(values)
    values(
        [
            "import_checkpoint.py",
            f"--source={source}",
            f"--checkpoint={checkpoint}",
            f"--model={model}",
            f"--output={output}",
        ]
    )
    return import_checkpoint.import_checkpoint(values)


@pytest.fixture
def small_axial_resnet(monkeypatch):
    """The reference model under the name of a public one."""
    golden = load_golden("axialnet_torch.npz")
    name, config = "pooled_axial_resnet_26_s", golden.meta["config"]
    row = dataclasses.replace(
        POOLED_AXIAL_RESNETS[name],
        blocks=tuple(config["layers"]),
        width=config["s"],
        pixels=_RAW,
    )
    monkeypatch.setitem(POOLED_AXIAL_RESNETS, name, row)
    presets._rows.cache_clear()
    yield golden, name
    monkeypatch.undo()
    presets._rows.cache_clear()


@pytest.mark.golden
def test_axial_resnet(small_axial_resnet, tmp_path):
    golden, name = small_axial_resnet
    state = torch_writers.tensors(axialnet_golden.state_dict(golden))
    wrapped = {f"module.{k}": x for k, x in state.items()}
    path = tmp_path / "axial26s.pth"
    path.write_bytes(torch_writers.zip_bytes({"state_dict": wrapped}))
    text = run("axial_deeplab", path, name, tmp_path / "weights")
    table, summary = text.rsplit("\n", 1)
    attention = "res3_block0/attention/width_axis"
    assert f"backbone/{attention}/similarity_norm/gamma" in table
    assert "3,237,770 numbers" in summary and summary.endswith(" s.")
    model = create_model(name, weights=tmp_path / "weights")
    images = golden.arrays["input"].transpose(0, 2, 3, 1)
    expected = golden.arrays["eval/logits"]
    assert_close_to_largest(model(images), expected, 1e-5)


def _mmsegmentation(name):
    return name.replace("mlp.dwconv.dwconv", "mlp.dwconv")


@pytest.mark.golden
@pytest.mark.parametrize("rename", [str, _mmsegmentation])
def test_segnext(tmp_path, monkeypatch, rename):
    golden = load_golden("segnext_tiny_train.npz")
    state = segnext_golden.state_dict(golden)
    renamed = {rename(name): x for name, x in state.items()}
    run_of_theirs = {
        "meta": {"epoch": 1, "CLASSES": ("wall", "building")},
        "state_dict": torch_writers.tensors(renamed),
    }
    path = tmp_path / "segnext_tiny.pth"
    path.write_bytes(torch_writers.zip_bytes(run_of_theirs))
    run("segnext", path, "segnext_t", tmp_path / "weights")
    model = create_model(
        "segnext_t", weights=str(tmp_path / "weights"), draw="always"
    )
    model.backbone.pixels = _RAW
    monkeypatch.setattr(
        hamburger,
        "random_bases",
        lambda batch, depth, rank: segnext_golden.rule().bases(
            int(batch), depth, rank, golden.meta["salt"]
        ),
    )
    for case in ("even", "odd"):
        images = segnext_golden.nhwc(golden.arrays[f"{case}_input"])
        logits = model(images)[keys.SEMANTIC_LOGITS]
        expected = segnext_golden.nhwc(
            golden.arrays[f"{case}_upsampled_first4"]
        )
        shown = logits[..., : expected.shape[-1]]
        np.testing.assert_allclose(shown, expected, rtol=0, atol=2e-5)
        classes = golden.arrays[f"{case}_argmax"]
        np.testing.assert_array_equal(np.argmax(logits, -1), classes)
