"""Parts of models, out of every kind of file of ours."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import create_model
from axial_deeplab.checkpoints import own_files
from axial_deeplab.checkpoints.parts import (
    format_outcomes,
    restore_by_part,
    weights_by_part,
)
from axial_deeplab.checkpoints.weight_map import weights_by_name
from tests.layers.layer_case import randomize
from tests.models.tiny_models import tiny_panoptic

HEADS = ["center_heatmap_head", "center_offset_head", "semantic_logits_head"]
KINDS = ["trainer", "weights", "keras", "h5", "weights.h5"]
LAST = [
    "semantic_logits_head/project/kernel",
    "semantic_logits_head/project/bias",
]


def built(num_classes):
    model = tiny_panoptic(num_classes=num_classes)
    model.build((None, None, None, 3))
    return model


@pytest.fixture(scope="module")
def stored():
    """A model of five classes."""
    model = built(5)
    randomize(model)
    return model


@pytest.fixture(scope="module")
def files(stored, tmp_path_factory):
    """The model in a file of each kind."""
    folder = tmp_path_factory.mktemp("stored")
    paths = {kind: str(folder / f"model.{kind}") for kind in KINDS}
    checkpoint = tf.train.Checkpoint(
        model=stored, step=tf.Variable(3), **stored.checkpoint_items
    )
    tf.train.CheckpointManager(checkpoint, paths["trainer"], 1).save()
    for kind in KINDS[1:]:
        save = stored.save if kind == "keras" else stored.save_weights
        save(paths[kind])
    return paths


@pytest.fixture(scope="module")
def other():
    """A model of seven classes, and its initial weights."""
    model = built(7)
    return model, model.get_weights()


@pytest.fixture
def fresh(other):
    model, initial = other
    model.set_weights(initial)
    return model


def _check(model, stored, restored):
    """Weights are those of the file, or the initial ones, as is said."""
    ours, theirs = weights_by_name(model), weights_by_name(stored)
    for name in restored:
        np.testing.assert_array_equal(ours[name], theirs[name], name)


@pytest.mark.parametrize("kind", KINDS)
def test_other_classes(files, fresh, other, stored, kind):
    parts = ["backbone", "decoder", *HEADS]
    assert sorted(weights_by_part(fresh)) == sorted(parts)
    outcomes = restore_by_part(files[kind], fresh, parts)
    assert [one.name for one in outcomes] == list(weights_by_name(fresh))
    left = {one.name: one.left for one in outcomes if one.left}
    restored = [one.name for one in outcomes if not one.left]
    assert sorted(left) == sorted(LAST) and len(restored) > 50
    _check(fresh, stored, restored)
    initial = dict(zip(weights_by_name(fresh), other[1], strict=True))
    for name in LAST:
        np.testing.assert_array_equal(
            weights_by_name(fresh)[name], initial[name]
        )
    there = "['?']" if kind == "weights.h5" else "[5]"  # does not say
    assert left[LAST[1]] == f"the file has other classes, {there}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_backbone_alone(files, fresh, other, stored, kind):
    outcomes = restore_by_part(files[kind], fresh, ["backbone"])
    restored = [one.name for one in outcomes if not one.left]
    assert restored == weights_by_part(fresh)["backbone"]
    _check(fresh, stored, restored)
    reasons = {one.left for one in outcomes} - {""}
    assert reasons == {"not asked for"}
    initial = dict(zip(weights_by_name(fresh), other[1], strict=True))
    for name in set(initial) - set(restored):
        np.testing.assert_array_equal(
            weights_by_name(fresh)[name], initial[name]
        )


def test_the_list_says_what_and_why(files, fresh):
    parts = ["backbone", "semantic_logits_head"]
    lines = format_outcomes(
        restore_by_part(files["trainer"], fresh, parts)
    ).splitlines()
    words = [" ".join(line.split()) for line in lines]
    kernel = "[1, 1, 8, 7] initial value: the file has other classes, "
    assert f"{LAST[0]} {kernel}[1, 1, 8, 5]" in words
    stem = "backbone/stem/convolution_0/conv/kernel [3, 3, 3, 4] restored"
    assert stem in words
    assert any(
        w.startswith("decoder/") and w.endswith("initial value: not asked for")
        for w in words
    )
    assert words[-1].endswith("have their initial values.")


def test_a_backbone_from_and_for_whole_models(files, fresh, stored, tmp_path):
    own_files.write_checkpoint(stored.backbone, tmp_path / "b", "b", {})
    restore_by_part(str(tmp_path / "b"), fresh, ["backbone"])
    _check(fresh, stored, weights_by_part(fresh)["backbone"])
    stored.backbone.save_weights(tmp_path / "b.h5")
    randomize(fresh, seed=9)
    for path in (tmp_path / "b.h5", files["trainer"], files["keras"]):
        for weight in fresh.backbone.weights:
            weight.assign(tf.zeros_like(weight))
        restore_by_part(str(path), fresh.backbone, ["backbone"])
        _check(fresh, stored, weights_by_part(fresh)["backbone"])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["backbone", "body"], "are backbone, decoder, .*; got 'body'"),
        ([], "is of another model; 0 weights"),
    ],
)
def test_wrong_parts_are_named(files, fresh, parts, message):
    with pytest.raises(ValueError, match=message):
        restore_by_part(files["trainer"], fresh, parts)


@pytest.mark.parametrize("kind", KINDS)
def test_another_backbone_is_refused_and_nothing_changes(files, kind):
    model = create_model(
        "axial_deeplab_xs_backbone", width=0.125, output_stride=16
    )
    before = model.get_weights()
    with pytest.raises(ValueError, match="model|cannot be loaded") as error:
        restore_by_part(files[kind], model, ["backbone"])
    assert "\n" not in str(error.value)
    for ours, initial in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, initial)


@pytest.mark.parametrize("name", ["none", "none.keras", "none.h5"])
def test_missing_files_are_named(fresh, name):
    with pytest.raises(FileNotFoundError, match=f"There is no .*{name}"):
        restore_by_part(name, fresh, ["backbone"])


def test_files_of_others_are_named(fresh, tmp_path):
    with pytest.raises(ValueError, match="import_checkpoint.py"):
        restore_by_part("model.pth", fresh, ["backbone"])
    (tmp_path / "a.h5").write_bytes(b"no")
    with pytest.raises(ValueError, match="a.h5 cannot be loaded"):
        restore_by_part(str(tmp_path / "a.h5"), fresh, ["backbone"])
