"""DeepLab2's checkpoints from disk, its published models end to end."""

import json
import shutil

import numpy as np
import pytest

from axial_deeplab import create_model
from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.checkpoints import from_deeplab2
from axial_deeplab.checkpoints.weight_map import (
    restore_weights,
    weights_by_name,
)
from axial_deeplab.decoders.dual_conv import DualDecoderSpec
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.stems import unpooled_deeplab_stem
from axial_deeplab.models.families import PANOPTIC_MODELS, PanopticOptions
from axial_deeplab.models.panoptic_rows import PanopticSpec
from axial_deeplab.models.presets import zero_weights
from tests.checkpoints import deeplab2_golden
from tests.golden import assert_close_to_largest, golden_path, load_golden

pytestmark = pytest.mark.golden

_ENCODER, _HEADS = 2e-5, 5e-5
_SAMPLES = "deeplab2_checkpoint_sample"
NAMES = [
    "axial_swidernet",
    "max_deeplab_l_backbone",
    "max_deeplab_s_backbone",
    "max_deeplab_s_backbone_imagenet",
]


def _restore(tensors, model):
    return restore_weights(tensors, from_deeplab2.source_of(tensors), model)


def _check_outputs(golden, name, found, tolerance=None):
    """Compares what the file has of them; returns how many."""
    count = 0
    for key, value in found.items():
        theirs = f"{name}/{key}"
        expected = golden.arrays.get(theirs)
        if expected is None and key.startswith("encoder/res"):
            theirs = theirs.replace("/res", "/stage")
            expected = golden.arrays.get(theirs)
        if expected is None:
            continue
        meaning = golden.meta["arrays"][theirs]["meaning"]
        actual = deeplab2_golden.stored_part(value, meaning)
        if "/encoder/" in theirs:
            expected = deeplab2_golden.relu(expected)
        limit = _ENCODER if "/encoder/" in theirs else _HEADS
        assert_close_to_largest(actual, expected, tolerance or limit, theirs)
        count += 1
    return count


@pytest.fixture(scope="module")
def samples():
    return load_golden(f"{_SAMPLES}/expected.npz")


@pytest.mark.parametrize("name", NAMES)
def test_small_checkpoints_from_disk(samples, name):
    description = samples.meta["checkpoints"][name]
    model = deeplab2_golden.small_model(description)
    model.build((None, None, None, 3))
    tensors = from_deeplab2.read_tensors(str(golden_path(_SAMPLES) / name))
    rows = _restore(tensors, model)
    assert len(rows) == len(model.weights)
    found = deeplab2_golden.outputs(model, samples.arrays["image"])
    levels = len(getattr(model, "backbone", model).levels)
    heads = 3 if description["decoder"] else 0
    assert _check_outputs(samples, name, found, _HEADS) == levels + heads


def test_the_stacked_encoder_from_disk(samples):
    """Of the large MaX-DeepLab, up to what the whole encoder returns."""
    name = "max_deeplab_l_backbone"
    description = samples.meta["checkpoints"][name]
    model = deeplab2_golden.stacked_backbone(description)
    model.build((None, None, None, 3))
    tensors = from_deeplab2.read_tensors(str(golden_path(_SAMPLES) / name))
    encoder = {k: x for k, x in tensors.items() if k.startswith("encoder/")}
    assert len(_restore(encoder, model)) == len(encoder) == len(model.weights)
    found = model(samples.arrays["image"])
    expected = samples.arrays[f"{name}/encoder/backbone_output"]
    assert_close_to_largest(found["stack"], expected, _HEADS)
    levels = {f"encoder/res{k}": x for k, x in found.items() if k != "stack"}
    assert _check_outputs(samples, name, levels, _HEADS) == 5


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("max_deeplab_s_backbone", "panoptic_deeplab_max_deeplab_s"),
        ("axial_swidernet_1_1_1", "panoptic_deeplab_axial_swidernet_1_1_1"),
    ],
)
def test_published_models_end_to_end(name, row):
    golden = load_golden("deeplab2_zoo.npz")
    tensors = deeplab2_golden.tensors_by_rule(golden, name)
    source = from_deeplab2.source_of(tensors)
    with zero_weights():
        model = create_model(row, num_classes=source.num_classes(tensors))
    _restore(tensors, model)
    counts = golden.meta["models"][name]["model_parameters"]
    assert model.count_params() == counts["all"]
    found = deeplab2_golden.outputs(model, golden.arrays["image"])
    assert _check_outputs(golden, name, found) >= 10


def test_every_key_of_whole_models_is_accounted_for():
    path = golden_path("deeplab2_axial_variables.json")
    models = json.loads(path.read_text())["models"]
    for name, description in models.items():
        tensors = {
            row["checkpoint_key"].removesuffix(deeplab2_golden.ENDING): row
            for row in description["variables"]
        }
        with zero_weights():
            model = _model(name, description)
        ours = weights_by_name(model)
        source = from_deeplab2.source_of(tensors)
        sizes = {
            target.name: np.prod(row["shape"])
            for key, row in tensors.items()
            for target in source.targets(key)
        }
        assert len(sizes) == len(tensors), name
        assert sizes == {k: np.prod(w.shape) for k, w in ours.items()}, name


def _model(name, description):
    """A row, or the axial models that they never published."""
    row = f"panoptic_deeplab_{name.removesuffix('_os16')}"
    row = row.removesuffix("_backbone")
    if "axial_deeplab_" not in name:
        return create_model(row, num_classes=19)
    backbone = ResNetSpec(
        width=description["backbone_width_multiplier"],
        stem=unpooled_deeplab_stem,
        stem_width=1.0,
        mixer=AxialMixer(),
        stem_stride=2,
        samples=True,
    )
    spec = PanopticSpec(backbone, DualDecoderSpec(as_published=True))
    model = PANOPTIC_MODELS.build(spec, PanopticOptions(num_classes=19))
    model.build((None, None, None, 3))
    return model


def test_a_folder_without_its_list_and_missing_files(tmp_path):
    sample = golden_path(_SAMPLES) / NAMES[2]
    for file in sample.glob("ckpt-0.*"):
        shutil.copy(file, tmp_path)
    expected = from_deeplab2.read_tensors(str(sample))
    found = from_deeplab2.read_tensors(str(tmp_path))
    assert list(found) == list(expected) and len(found) > 100
    with pytest.raises(FileNotFoundError, match="no checkpoint at .*/none"):
        from_deeplab2.read_tensors(str(tmp_path / "none"))


def test_a_checkpoint_of_another_model_is_refused(samples):
    description = samples.meta["checkpoints"][NAMES[2]]
    model = deeplab2_golden.small_model(description)
    model.build((None, None, None, 3))
    path = str(golden_path(_SAMPLES) / NAMES[0])
    with pytest.raises(ValueError, match="not of the model") as error:
        _restore(from_deeplab2.read_tensors(path), model)
    assert "\n" not in str(error.value)
