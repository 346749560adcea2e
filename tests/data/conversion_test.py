"""Conversions as a whole, on a source that can be told to fail."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data import conversion, tfrecord_schema
from axial_deeplab.data.annotated_images import AnnotatedImage, whole_image
from axial_deeplab.data.conversion import ConversionSettings
from axial_deeplab.data.dataset_specs import dataset_spec
from tests.data.official_trees import SIZE, photograph

SPEC = dataset_spec("coco_panoptic")
COUNT = 5


@dataclasses.dataclass(frozen=True)
class NumberedImages:
    """Image k has k + 1 segments; file k.bad makes it fail."""

    folder: pathlib.Path
    spec = SPEC

    def items(self):
        paths = [self.folder / f"{number}.png" for number in range(COUNT)]
        return [AnnotatedImage(path.name, path, ()) for path in paths]

    def examples(self, item):
        (self.folder / "log").open("a").write(item.name[0])
        if item.image_file.with_suffix(".bad").exists():
            raise ValueError(f"{item.image_file} is bad.")
        panoptic = np.zeros(SIZE, np.int32)
        panoptic.ravel()[: int(item.name[0]) + 1] = 257 + np.arange(
            int(item.name[0]) + 1
        )
        yield whole_image(item, panoptic)


@pytest.fixture
def folder(tmp_path):
    for number in range(COUNT):
        photograph(tmp_path / f"{number}.png", seed=number)
    return tmp_path


def convert(folder, **options):
    (folder / "log").unlink(missing_ok=True)
    settings = ConversionSettings(folder / "out", "val", **options)
    return conversion.convert_images(NumberedImages(folder), settings)


def log(folder):
    return (folder / "log").read_text()


def stored(folder):
    names = sorted(str(path) for path in (folder / "out").glob("*.tfrecord"))
    examples = tf.data.TFRecordDataset(names).map(
        tfrecord_schema.decode_example
    )
    return [x[keys.IMAGE_ID].numpy().decode() for x in examples]


def test_summary_counts_images_and_segments(folder):
    summary = convert(folder, shards=2)
    assert summary["images"] == COUNT and summary["shards"] == 2
    assert summary["segments"] == 1 + 2 + 3 + 4 + 5
    assert stored(folder) == list("01234")
    written = (folder / "out" / "val_summary.json").read_text()
    assert json.loads(written) == summary
    assert conversion.summary_text(summary, folder) == (
        f"5 images with 15 segments are in {folder}"
    )
    assert len(list((folder / "out").iterdir())) == 3


def test_subset(folder):
    assert convert(folder, max_images=2)["images"] == 2
    assert stored(folder) == ["0", "1"]


def test_finished_files_are_kept_after_a_failure(folder):
    bad = folder / "3.bad"
    bad.touch()
    with pytest.raises(ValueError, match="3.png is bad"):
        convert(folder, shards=5)
    assert [x.name for x in (folder / "out").iterdir()] == [".val.partial"]
    assert log(folder) == "0123"
    bad.unlink()
    done = []
    settings = ConversionSettings(folder / "out", "val", shards=5)
    summary = conversion.convert_images(
        NumberedImages(folder), settings, lambda *counts: done.append(counts)
    )
    assert log(folder) == "012334"
    assert done == [(3, 5), (1, 5), (1, 5)]
    assert summary["segments"] == 15 and stored(folder) == list("01234")


def test_another_conversion_starts_anew(folder):
    (folder / "4.bad").touch()
    with pytest.raises(ValueError):
        convert(folder, shards=5)
    photograph(folder / "0.png", seed=9)  # changed since
    (folder / "4.bad").unlink()
    convert(folder, shards=5)
    assert log(folder) == "01234"


def test_failure_before_any_file_leaves_nothing(folder):
    (folder / "0.bad").touch()
    with pytest.raises(ValueError, match="0.png is bad"):
        convert(folder)
    assert not (folder / "out").exists()


def test_bad_images_are_left_out_with_their_reason(folder):
    (folder / "1.bad").touch()
    (folder / "2.png").unlink()
    summary = convert(folder, skip_bad=True, shards=2)
    assert stored(folder) == ["0", "3", "4"] and summary["images"] == 3
    assert [one["image"] for one in summary["skipped"]] == ["2.png", "1.png"]
    assert summary["skipped"][1]["reason"].endswith("1.png is bad.")
    text = conversion.summary_text(summary, folder)
    assert "skipped 2 (1 damaged or contradictory, 1 missing)" in text


def test_missing_images_are_named_before_the_work(folder):
    (folder / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match="No image .*2.png"):
        convert(folder)
    assert not (folder / "log").exists()


def test_nothing_to_convert_is_an_error(folder):
    for number in range(COUNT):
        (folder / f"{number}.bad").touch()
    with pytest.raises(
        ValueError, match="No image could be converted: .*0.png"
    ):
        convert(folder, skip_bad=True)


def test_several_workers_keep_what_is_finished_and_pass_errors_on(folder):
    convert(folder, shards=COUNT)
    one = [x.read_bytes() for x in sorted((folder / "out").glob("*.tf*"))]
    (folder / "4.bad").touch()
    done = []
    settings = ConversionSettings(folder / "two", "val", COUNT, workers=2)
    with pytest.raises(ValueError, match="4.png is bad"):
        conversion.convert_images(
            NumberedImages(folder), settings, lambda n, _: done.append(n)
        )
    staging = folder / "two" / ".val.partial"
    two = [x.read_bytes() for x in sorted(staging.glob("*.tfrecord"))]
    assert two == one[:4] and sum(done) <= 4
    (folder / "4.bad").unlink()
    conversion.convert_images(NumberedImages(folder), settings)
    two = [x.read_bytes() for x in sorted((folder / "two").glob("*.tf*"))]
    assert two == one
