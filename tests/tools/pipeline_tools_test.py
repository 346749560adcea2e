"""The tools that show samples and measure the pipeline, on tiny pictures."""

import dataclasses
import json

import numpy as np
import pytest
from absl import flags
from PIL import Image

from axial_deeplab.data import convert_shapes
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.shards import write_shards
from tools import benchmark_pipeline, show_samples


def flag_values(tool, **options):
    values = flags.FlagValues()
    tool.define_flags(values)
    values(["tool", *(f"--{name}={value}" for name, value in options.items())])
    return values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")

    def record(index):
        return convert_shapes.shapes_record(index, 0, "train", (40, 60))

    list(write_shards([folder / "train-00000-of-00001"], range(3), record))
    return folder


def sheet(folder, **options):
    values = flag_values(
        show_samples,
        dataset="shapes",
        file_pattern=folder / "train-*",
        output=folder / "new" / "sheet.png",
        samples=2,
        width=60,
        **options,
    )
    text = show_samples.show(values)
    return text, np.asarray(Image.open(folder / "new" / "sheet.png"))


def test_records_are_shown_with_their_maps(folder):
    text, picture = sheet(folder)
    # Captions above, a gap around each picture, a legend below.
    assert picture.shape[0] > 16 + 2 * 44 and picture.shape[1] == 2 * 64
    image, panoptic = convert_shapes.render_split_scene(0, "train", 0, (40, 60))
    np.testing.assert_array_equal(picture[16:56, :60], image)
    spec = dataset_spec("shapes")
    segments = len(np.unique(panoptic[panoptic != spec.void_id]))
    assert f"train_000000: 40x60, {segments} segments: " in text
    legend = set(map(tuple, picture[16 + 2 * 44 :].reshape(-1, 3).tolist()))
    classes = np.unique(panoptic[panoptic != spec.void_id]) // 256
    for number in classes.tolist():
        assert spec.class_by_id[number].colour in legend


def test_views_are_shown_with_weights_centers_and_offsets(folder):
    text, picture = sheet(
        folder,
        training=True,
        crop="30,60",
        scale_range="0.5,1",
        colour="simple_policy",
        seed=3,
    )
    assert picture.shape[0] > 16 + 2 * 34 and picture.shape[1] == 5 * 64
    assert "view 2: 30x60" in text
    image, panoptic, weight, centers, offsets = (
        picture[16:46, left : left + 60].astype(int)
        for left in range(0, 5 * 64, 64)
    )
    assert weight.min() == 0 and weight.max() == 255  # padding, small objects
    red = centers[..., 0] - image[..., 0]
    assert red.max() > 0 and (centers == (255, 40, 40)).all(-1).any()
    is_instance = offsets.any(-1)
    assert is_instance.any() and not is_instance.all()
    # One shape, more than one tint: instances are told apart.
    assert len(np.unique(panoptic[is_instance], axis=0)) > 2


@pytest.mark.parametrize(
    "options, message",
    [({"crop": "3", "training": True}, "--crop must be two numbers; got 3")],
)
def test_bad_options_are_named(folder, options, message):
    with pytest.raises(ValueError, match=message):
        sheet(folder, **options)


def test_benchmark_measures_every_stage(tmp_path, monkeypatch):
    small = dataclasses.replace(
        benchmark_pipeline.RECIPES["coco"],
        image_px=(48, 64),
        crop_px=(65, 65),
        long_side_px=65,
    )
    monkeypatch.setitem(benchmark_pipeline.RECIPES, "coco", small)
    monkeypatch.setattr(  # fixed once TensorFlow has started
        benchmark_pipeline.tf.config.threading,
        "set_intra_op_parallelism_threads",
        lambda count: None,
    )
    monkeypatch.setattr(
        benchmark_pipeline.tf.config.threading,
        "set_inter_op_parallelism_threads",
        lambda count: None,
    )
    path = tmp_path / "speed.json"
    text = benchmark_pipeline.benchmark(
        flag_values(benchmark_pipeline, recipe="coco", images=2, json=path)
    )
    result = json.loads(path.read_text())["coco"]
    assert list(result["stages_ms"]) == [
        "decode",
        "resize",
        "colour",
        "pad, crop, flip",
        "targets",
    ]
    assert result["pipeline_ms"] > 0 and "images/s per core" in text


def test_drawn_examples_have_a_hundred_objects():
    spec = dataset_spec("cityscapes_panoptic")
    image, panoptic = benchmark_pipeline.draw_example((400, 800), spec, 0)
    assert image.shape == (400, 800, 3) and panoptic.shape == (400, 800)
    ids = np.unique(panoptic)
    # Some may be hidden by later ones.
    assert 80 < np.isin(ids // 1000, spec.thing_ids).sum() <= 100
