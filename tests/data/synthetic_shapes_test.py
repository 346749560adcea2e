import zlib

import numpy as np
import pytest

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.synthetic_shapes import render_scene

SPEC = dataset_spec("shapes")
COUNT = 60


@pytest.fixture(scope="module")
def scenes():
    return [render_scene((5, index)) for index in range(COUNT)]


def test_one_seed_gives_one_scene_on_every_machine():
    image, panoptic = render_scene((1, 2))
    assert (image.shape, image.dtype) == ((97, 97, 3), np.uint8)
    assert (panoptic.shape, panoptic.dtype) == ((97, 97), np.int32)
    again, _ = render_scene(np.random.default_rng((1, 2)))
    np.testing.assert_array_equal(again, image)
    assert not np.array_equal(render_scene((1, 3))[0], image)
    # Pinned: data sets made in different places must be the same.
    assert zlib.crc32(panoptic.astype("<i4").tobytes()) == 517341614
    assert zlib.crc32(image.tobytes()) == 1109233401


def test_every_segment_is_known_and_large_enough(scenes):
    for _, panoptic in scenes:
        for value in set(np.unique(panoptic)) - {SPEC.void_id}:
            semantic, instance = divmod(int(value), SPEC.label_divisor)
            assert SPEC.class_by_id[semantic].is_thing == (instance > 0)
            assert (panoptic == value).sum() >= 40


def test_instances_are_numbered_without_gaps(scenes):
    for _, panoptic in scenes:
        for thing in SPEC.thing_ids:
            found = np.unique(panoptic[panoptic // SPEC.label_divisor == thing])
            numbers = found % SPEC.label_divisor
            np.testing.assert_array_equal(numbers, np.arange(len(found)) + 1)


def test_scenes_vary_as_promised(scenes):
    maps = np.stack([panoptic for _, panoptic in scenes])
    semantic = maps // SPEC.label_divisor
    assert set(np.unique(semantic)) == set(SPEC.class_by_id) | {255}
    void = (semantic == SPEC.ignore_label).mean()
    assert 0.02 < void < 0.06
    things = [
        len(np.unique(m[np.isin(m // SPEC.label_divisor, SPEC.thing_ids)]))
        for m in maps
    ]
    assert min(things) >= 1 and max(things) == 6
    assert np.mean(things) > 3.5


def test_instances_of_one_class_often_touch(scenes):
    def touch(panoptic):
        left, right = panoptic[:, :-1], panoptic[:, 1:]
        same = left // SPEC.label_divisor == right // SPEC.label_divisor
        return bool((same & (left != right)).any())

    assert sum(touch(panoptic) for _, panoptic in scenes) > COUNT // 5


def test_other_sizes_scale_the_scene():
    image, panoptic = render_scene(3, size_px=(194, 260))
    assert image.shape == (194, 260, 3) and panoptic.shape == (194, 260)
    things = panoptic % SPEC.label_divisor > 0
    values, areas = np.unique(panoptic[things], return_counts=True)
    assert len(values) and areas.max() > 500  # about 4 times those at 97 px


def test_too_small_a_scene_is_refused():
    with pytest.raises(ValueError, match="at least 32 px; got 20x97"):
        render_scene(0, size_px=(20, 97))
