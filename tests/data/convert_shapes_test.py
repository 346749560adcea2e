import numpy as np
import pytest

from axial_deeplab import keys
from axial_deeplab.data import convert_shapes, tfrecord_schema


def test_record_holds_the_scene():
    image, panoptic = convert_shapes.render_split_scene(7, "val", 3, (40, 44))
    example = tfrecord_schema.decode_example(
        convert_shapes.shapes_record(3, seed=7, split="val", size_px=(40, 44))
    )
    np.testing.assert_array_equal(example[keys.IMAGE], image)
    np.testing.assert_array_equal(example[keys.PANOPTIC], panoptic)
    assert example[keys.IMAGE_ID].numpy() == b"val_000003"


@pytest.mark.parametrize(
    "other", [(8, "val", 3), (7, "train", 3), (7, "val", 4)]
)
def test_seed_split_and_index_each_change_the_scene(other):
    image, _ = convert_shapes.render_split_scene(7, "val", 3, (40, 40))
    different, _ = convert_shapes.render_split_scene(*other, (40, 40))
    assert not np.array_equal(image, different)


def test_unknown_split_is_named():
    with pytest.raises(ValueError, match="got 'test'"):
        convert_shapes.render_split_scene(0, "test", 0, (40, 40))
