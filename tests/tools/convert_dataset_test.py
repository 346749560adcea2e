import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from PIL import Image
from sklearn.datasets import load_digits

from axial_deeplab import keys
from axial_deeplab.data import convert_digits, labelled_images
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.pipeline import PipelineConfig, make_dataset
from axial_deeplab.evaluation import png_files, result_files
from tests.data import coco_case
from tools import convert_dataset

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SMALL_SHAPES = dict(dataset="shapes", train_scenes=3, val_scenes=2, size=40)


def flag_values(**options) -> flags.FlagValues:
    values = flags.FlagValues()
    convert_dataset.define_flags(values)
    values(["tool", *(f"--{name}={value}" for name, value in options.items())])
    return values


def coco_values(folder, **options):
    defaults = dict(
        dataset="coco_panoptic",
        images_dir=folder / "images",
        panoptic_json=folder / "panoptic.json",
        panoptic_dir=folder / "panoptic",
        output_dir=folder / "out",
        split="val",
    )
    return flag_values(**(defaults | options))


def run_tool(*arguments):
    return subprocess.run(
        [sys.executable, "tools/convert_dataset.py", *arguments],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def read(pattern, spec, crop):
    config = PipelineConfig(
        file_pattern=str(pattern),
        crop_size_px=crop,
        batch_size=1,
        training=False,
    )
    return {
        labels[keys.IMAGE_ID].numpy()[0].decode(): (
            images[0].numpy(),
            labels[keys.PANOPTIC][0].numpy(),
        )
        for images, labels in make_dataset(config, spec)
    }


def test_shapes_records_and_truth_agree(tmp_path):
    spec = dataset_spec("shapes")
    text = convert_dataset.convert_synthetic(
        flag_values(**SMALL_SHAPES, output_dir=tmp_path)
    )
    assert text == f"3 training and 2 validation scenes are in {tmp_path}"
    assert (
        len(read(tmp_path / "train-*-of-00003.tfrecord", spec, (40, 40))) == 3
    )
    records = read(tmp_path / "val-*-of-00002.tfrecord", spec, (40, 40))
    truth = json.loads((tmp_path / "val_panoptic.json").read_text())
    assert sorted(records) == ["val_000000", "val_000001"]
    assert [a["image_id"] for a in truth["annotations"]] == sorted(records)
    for annotation in truth["annotations"]:
        image, panoptic = records[annotation["image_id"]]
        name = f"{annotation['image_id']}.png"
        picture = np.asarray(Image.open(tmp_path / "val_images" / name))
        np.testing.assert_array_equal(picture, image)
        ids = png_files.read_id_png(
            tmp_path / "val_panoptic" / annotation["file_name"]
        )
        expected_ids, segments = result_files.panoptic_segments(panoptic, spec)
        np.testing.assert_array_equal(ids, expected_ids)
        assert annotation["segments_info"] == segments
    assert not list(tmp_path.glob(".*"))


def test_shapes_can_be_written_again_but_not_mixed(tmp_path):
    options = SMALL_SHAPES | {"output_dir": tmp_path}
    convert_dataset.convert_synthetic(flag_values(**options))
    before = (tmp_path / "train-00000-of-00003.tfrecord").read_bytes()
    convert_dataset.convert_synthetic(flag_values(**options))
    after = (tmp_path / "train-00000-of-00003.tfrecord").read_bytes()
    assert after == before
    convert_dataset.convert_synthetic(flag_values(**options, seed=1))
    other = (tmp_path / "train-00000-of-00003.tfrecord").read_bytes()
    assert other != before
    with pytest.raises(ValueError, match="already holds train-00000-of-00003"):
        convert_dataset.convert_synthetic(flag_values(**options, shards=1))
    with pytest.raises(ValueError, match="already holds val_000001.png"):
        convert_dataset.convert_synthetic(
            flag_values(**(options | {"val_scenes": 1}))
        )


def test_coco_records_hold_the_annotation(tmp_path):
    coco_case.write_coco_case(tmp_path)
    text = convert_dataset.convert_annotated(coco_values(tmp_path))
    assert text == f"2 images with 6 segments are in {tmp_path / 'out'}"
    records = read(
        tmp_path / "out" / "val-*", dataset_spec("coco_panoptic"), (4, 5)
    )
    assert sorted(records) == ["000000000012", "right"]
    np.testing.assert_array_equal(
        records["000000000012"][1], coco_case.LEFT_PANOPTIC
    )


def test_failure_leaves_no_visible_file(tmp_path):
    coco_case.write_coco_case(tmp_path)
    path = tmp_path / "panoptic" / "right_segments.png"
    whole = path.read_bytes()
    path.write_bytes(b"no PNG")
    with pytest.raises(ValueError, match="right_segments.png is no readable"):
        convert_dataset.convert_annotated(coco_values(tmp_path))
    names = [x.name for x in (tmp_path / "out").iterdir()]
    assert names == [".val.partial"]
    text = convert_dataset.convert_annotated(
        coco_values(tmp_path, skip_bad=True)
    )
    assert "1 images with 5 segments" in text and "skipped 1 (1 damaged" in text
    path.write_bytes(whole)
    text = convert_dataset.convert_annotated(coco_values(tmp_path, shards=2))
    assert text.startswith("2 images with 6 segments")


def test_digits_records_hold_scikit_learns_digits(tmp_path):
    text = convert_dataset.convert(
        flag_values(dataset="digits", output_dir=tmp_path, shards=1)
    )
    assert text == f"1437 training and 360 test digits are in {tmp_path}"
    digits = load_digits()
    for split, indices in convert_digits.split_digits(1797).items():
        (path,) = tmp_path.glob(f"{split}-*")
        records = list(tf.data.TFRecordDataset(str(path)))
        assert len(records) == len(indices)
        for place in (0, 1, -1):
            image, label, _ = labelled_images.decode_record(records[place])
            assert label == digits.target[indices[place]]
            np.testing.assert_array_equal(
                tf.io.decode_png(image),
                convert_digits.digit_image(digits.images[indices[place]]),
            )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"images_dir": ""}, "needs .*--images_dir"),
        ({"split": "a/b"}, "--split=a/b cannot start"),
        ({"shards": 3}, "2 examples cannot fill 3 shards"),
    ],
)
def test_bad_coco_options_are_named(tmp_path, options, message):
    coco_case.write_coco_case(tmp_path)
    with pytest.raises(ValueError, match=message):
        convert_dataset.convert_annotated(coco_values(tmp_path, **options))
    assert not (tmp_path / "out").exists()


def test_program_converts(tmp_path):
    done = run_tool(
        *(f"--{name}={value}" for name, value in SMALL_SHAPES.items()),
        f"--output_dir={tmp_path}/new",
    )
    assert done.returncode == 0, done.stderr
    assert "3 training and 2 validation scenes" in done.stdout
    assert len(list((tmp_path / "new").iterdir())) == 3 + 2 + 3


def test_program_refuses_in_one_line(tmp_path):
    done = run_tool(
        "--dataset=shapes", "--size=20", f"--output_dir={tmp_path}/new"
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "convert_dataset.py: A scene needs sides of at least 32 px; got 20x20."
    ]
    assert not list(tmp_path.iterdir())
