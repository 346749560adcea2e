import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from axial_deeplab import keys
from axial_deeplab.data import convert_coco, tfrecord_schema
from axial_deeplab.data.dataset_specs import dataset_spec
from tests import golden
from tests.data import coco_case

SPEC = dataset_spec("coco_panoptic")


@pytest.fixture
def folder(tmp_path):
    coco_case.write_coco_case(tmp_path)
    return tmp_path


def source(folder):
    return convert_coco.CocoPanoptic(
        folder / "images", folder / "panoptic.json", folder / "panoptic", SPEC
    )


def items(folder):
    return source(folder).items()


def record(folder, index):
    (example,) = source(folder).examples(items(folder)[index])
    return example.record()


def convert(ids=coco_case.LEFT, segments=coco_case.LEFT_SEGMENTS):
    return convert_coco.panoptic_map(ids, tuple(segments), SPEC, "some.png")


def changed(index, **values):
    segments = [dict(s) for s in coco_case.LEFT_SEGMENTS]
    segments[index] |= values
    return segments


def test_map_of_things_stuff_crowd_and_void():
    panoptic = convert()
    assert panoptic.dtype == np.int32
    np.testing.assert_array_equal(panoptic, coco_case.LEFT_PANOPTIC)


def test_jpeg_is_stored_as_it_is(folder):
    left = record(folder, 0)
    feature = tf.train.Example.FromString(left).features.feature
    stored = feature["image/encoded"].bytes_list.value[0]
    assert stored == (folder / "images" / "000000000012.jpg").read_bytes()
    assert feature["image/format"].bytes_list.value == [b"jpeg"]
    example = tfrecord_schema.decode_example(left)
    assert example[keys.IMAGE_ID].numpy() == b"000000000012"
    np.testing.assert_array_equal(
        example[keys.PANOPTIC], coco_case.LEFT_PANOPTIC
    )


def test_grey_image_becomes_rgb(folder):
    right = record(folder, 1)
    example = tfrecord_schema.decode_example(right)
    grey = np.asarray(Image.open(folder / "images" / "right.png"))
    np.testing.assert_array_equal(
        example[keys.IMAGE], np.stack([grey] * 3, axis=-1)
    )
    feature = tf.train.Example.FromString(right).features.feature
    assert feature["image/channels"].int64_list.value == [3]
    banner = SPEC.class_by_original_id[92].id * SPEC.label_divisor
    np.testing.assert_array_equal(
        example[keys.PANOPTIC], [[banner] * 3, [banner, banner, 0]]
    )


def test_as_many_instances_as_there_are_numbers():
    ids = np.arange(1, 257).reshape(16, 16)
    segments = [
        {"id": i, "category_id": 3, "area": 1, "iscrowd": 0}
        for i in range(1, 257)
    ]
    with pytest.raises(ValueError, match="some.png: more than 255 .* of car"):
        convert(ids, segments)
    segments[255]["iscrowd"] = 1
    panoptic = convert(ids, segments).ravel()
    np.testing.assert_array_equal(panoptic[:255], 3 * 256 + np.arange(1, 256))
    assert panoptic[255] == 3 * 256


@pytest.mark.parametrize(
    "segments, message",
    [
        (changed(0, area=5), "segment 5 has 4 pixels, but area 5"),
        (changed(1, id=70001), "segment 70001 of the JSON has no pixel"),
        (changed(1, id=0), "id 0 is void and no segment"),
        (changed(1, id=5, area=4), "id 5 is listed twice"),
        (changed(2, category_id=12), "9 has category 12, which coco_panoptic"),
        (coco_case.LEFT_SEGMENTS[1:], "segment 5 has pixels but is not in"),
        (changed(3, iscrowd=None), "no whole number 'iscrowd'"),
        (["text"], "no whole number 'id'"),
    ],
)
def test_contradicting_segments_are_named(segments, message):
    with pytest.raises(ValueError, match=f"some.png: .*{message}"):
        convert(segments=segments)


def test_image_and_map_of_different_size(folder):
    coco_case.write_id_png(
        folder / "panoptic" / "right_segments.png", np.array([[7, 7, 7, 7, 7]])
    )
    with pytest.raises(ValueError, match="right.png has 2x3 px, but .* 1x5"):
        record(folder, 1)


def broken(path, content=b"no picture"):
    path.write_bytes(content)


def test_damaged_files_are_named(folder):
    left, right = items(folder)
    broken(left.label_files[0])
    with pytest.raises(ValueError, match="12.png is no readable PNG"):
        record(folder, 0)
    whole = right.image_file.read_bytes()
    broken(right.image_file, whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="right.png is no readable image"):
        record(folder, 1)


def test_segments_need_an_rgb_png(folder):
    left, _ = items(folder)
    path = left.label_files[0]
    Image.fromarray(coco_case.LEFT.astype(np.uint8)).save(path)
    with pytest.raises(ValueError, match="PNG of mode L; ids need RGB"):
        record(folder, 0)
    path.write_bytes(left.image_file.read_bytes())  # a JPEG
    with pytest.raises(ValueError, match="is no readable PNG"):
        record(folder, 0)


def test_missing_and_empty_folders_are_named(folder, tmp_path):
    paths = [folder / n for n in ("images", "panoptic.json", "panoptic")]
    empty = tmp_path / "empty"
    empty.mkdir()
    for position, bad, error, message in (
        (0, tmp_path / "none", FileNotFoundError, "none .of images"),
        (0, empty, ValueError, "of images. in .*empty"),
        (1, tmp_path / "x.json", FileNotFoundError, "x.json"),
        (2, tmp_path / "none", FileNotFoundError, "none .of panoptic PNGs"),
        (2, empty, ValueError, "of panoptic PNGs. in .*empty"),
    ):
        arguments = [*paths[:position], bad, *paths[position + 1 :]]
        with pytest.raises(error, match=message):
            convert_coco.CocoPanoptic(*arguments, SPEC).items()


@pytest.mark.parametrize(
    "folder_name, name", [("images", "right.png"), ("panoptic", "right_seg")]
)
def test_missing_files_are_named(folder, folder_name, name):
    for path in (folder / folder_name).glob("right*"):
        path.unlink()
    left, right = items(folder)
    assert left.missing_file() is None
    assert name in right.missing_file()
    with pytest.raises(FileNotFoundError, match=name):
        record(folder, 1)


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "is no JSON file"),
        ("[]", "no COCO panoptic file"),
        ('{"images": []}', "no COCO panoptic file: KeyError.'annotations'"),
        ('{"images": [], "annotations": []}', "holds no annotations"),
        ('{"images": [{"id": 1}, {"id": 1}]}', "lists the id 1 twice"),
        ('{"images": [5], "annotations": []}', "no COCO panoptic file"),
        (
            '{"images": [], "annotations": [{"image_id": 4}]}',
            "no COCO panoptic file: KeyError.4",
        ),
    ],
)
def test_bad_json_is_named(folder, content, message):
    (folder / "panoptic.json").write_text(content)
    with pytest.raises(ValueError, match=f"panoptic.json.*{message}"):
        items(folder)


@pytest.mark.golden
def test_sample_photographs_agree_with_their_annotation():
    sample = golden.coco_sample_path()
    photographs = convert_coco.CocoPanoptic(
        sample, sample / "panoptic.json", sample / "panoptic", SPEC
    )
    annotated = photographs.items()
    content = json.loads((sample / "panoptic.json").read_text())
    assert len(annotated) == len(content["annotations"])
    for item in annotated:
        (stored,) = photographs.examples(item)
        example = tfrecord_schema.decode_example(stored.record())
        panoptic = example[keys.PANOPTIC].numpy()
        values, areas = np.unique(
            panoptic[panoptic != SPEC.void_id], return_counts=True
        )
        found = sorted(
            (SPEC.class_by_id[v // 256].original_id, int(area))
            for v, area in zip(values, areas, strict=True)
        )
        listed = sorted((s["category_id"], s["area"]) for s in item.segments)
        assert found == listed
        crowds = {s["category_id"] for s in item.segments if s["iscrowd"]}
        for category in crowds:
            crowd_id = SPEC.class_by_original_id[category].id * 256
            assert crowd_id in values
