"""Public weights, from files written as PyTorch does, to predictions."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from axial_deeplab import create_model, keys
from axial_deeplab.backbones.axial_resnet import POOLED_AXIAL_RESNETS
from axial_deeplab.backbones.backbone import PixelStatistics
from axial_deeplab.checkpoints.weight_map import weights_by_name
from axial_deeplab.layers import hamburger
from axial_deeplab.models import presets
from tests.checkpoints import axialnet_golden, torch_writers
from tests.golden import assert_close_to_largest, load_golden
from tests.models import segnext_golden
from tools import import_checkpoint

_RAW = PixelStatistics((0.0,) * 3, (1.0,) * 3)


def run(source, checkpoint, model, output, *more):
    values = flags.FlagValues()
    import_checkpoint.define_flags(values)
    values(
        [
            "import_checkpoint.py",
            f"--source={source}",
            f"--checkpoint={checkpoint}",
            f"--model={model}",
            f"--output={output}",
            *more,
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
    table, unused, summary = text.rsplit("\n", 2)
    assert "tensors are of no use to the model: bn1.num_batches_" in unused
    attention = "res3_block0/attention/width_axis"
    assert f"backbone/{attention}/similarity_norm/gamma" in table
    count = sum(x.storage.size for x in state.values() if x.dtype != "int64")
    assert f"({count:,} numbers)" in summary and re.search(
        r" after \d+\.\d s, in which memory grew by \d+ MB, ", summary
    )
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
    exported = ["--export"] if rename is str else []
    run("segnext", path, "segnext_t", tmp_path / "weights", *exported)
    model = create_model(
        "segnext_t", weights=str(tmp_path / "weights"), draw="always"
    )
    # What no file of theirs holds was drawn, not left out.
    assert np.any(weights_by_name(model)["decoder/context/bases"])
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
        if exported and case == "odd":
            _check_export(tmp_path / "weights", images)


def _check_export(folder, images):
    """The SavedModel of uint8 images is the model of the same weights."""
    images = np.clip(60 * images + 128, 0, 255).astype(np.uint8)
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    found = loaded.signatures["serving_default"](images=tf.constant(images))
    logits = create_model("segnext_t", weights=folder)(images)
    expected = np.argmax(logits[keys.SEMANTIC_LOGITS], -1)
    assert np.mean(found[keys.SEMANTIC] == expected) > 0.999  # but for ties
    card = (folder / "saved_model/README.md").read_text()
    assert "`ade20k_semantic`" in card


def _write_other(path, write):
    """A state dictionary that fits no model."""
    values = {"fc.weight": np.zeros([3, 4], np.float32)}
    path.write_bytes(write(torch_writers.tensors(values)))
    return path


@pytest.fixture
def classifier_file(tmp_path):
    return _write_other(tmp_path / "other.pth", torch_writers.zip_bytes)


@pytest.mark.parametrize(
    "write",
    [
        torch_writers.zip_bytes,
        torch_writers.legacy_bytes,
        torch_writers.safetensors_bytes,
    ],
)
def test_wrong_models_are_refused_and_nothing_is_written(tmp_path, write):
    classifier_file = _write_other(tmp_path / "other.pth", write)
    with pytest.raises(ValueError, match="fc.weight; .* without a tensor"):
        run("segnext", classifier_file, "mscan_t", tmp_path / "weights")
    assert [path.name for path in tmp_path.iterdir()] == ["other.pth"]


@pytest.mark.parametrize(
    ("source", "model", "more", "message"),
    [
        ("segnext", "mscan_x", [], "Unknown model 'mscan_x'"),
        ("segnext", "mscan_t", ["--dataset=lyft"], "Unknown data set 'lyft'"),
        ("segnext", "mscan_t_backbone", ["--export"], "predicts nothing"),
        ("segnext", "mscan_t", ["--output_stride=16"], "output_stride"),
        ("segnext", "mscan_t", ["--parts=backbone"], "for --source=ours"),
        ("segnext", "mscan_t", ["--num_classes=5"], "for --source=ours"),
        ("ours", "mscan_t", [], "other.pth is a file of PyTorch"),
        ("deeplab2", "max_deeplab_s_backbone", [], "no checkpoint at"),
    ],
)
def test_bad_arguments_are_named(
    classifier_file, tmp_path, source, model, more, message
):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(source, classifier_file, model, tmp_path / "weights", *more)


def test_folders_with_something_else_are_kept(classifier_file, tmp_path):
    with pytest.raises(FileExistsError, match="holds no converted"):
        run("segnext", classifier_file, "mscan_t", tmp_path)


def test_malicious_file_is_refused(tmp_path):
    path = tmp_path / "evil.pth"
    call = torch_writers.name("os", "system") + b"(X\x04\x00\x00\x00truetR"
    path.write_bytes(torch_writers.zip_bytes({"a": call}))
    with pytest.raises(ValueError, match="evil.pth .* asks for 'os.system'"):
        run("segnext", path, "mscan_t", tmp_path / "weights")
