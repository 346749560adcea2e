import numpy as np
import pytest
from PIL import Image, ImageOps

from axial_deeplab.data.photographs import (
    check_image_ids,
    find_images,
    open_photograph,
)


def _save(folder, *names):
    for name in names:
        Image.new("RGB", (3, 2), "red").save(folder / name)


def _found(images):
    return [path.name for path in find_images(str(images))]


def test_folder_pattern_file_and_list(tmp_path):
    _save(tmp_path, "b.png", "a.JPG", ".hidden.png")
    (tmp_path / "list.txt").write_text(f"{tmp_path}/b.png\n\nc.png\n")
    assert _found(tmp_path) == ["a.JPG", "b.png"]
    assert _found(tmp_path / "*.png") == ["b.png"]
    assert _found(tmp_path / "a.JPG") == ["a.JPG"]
    assert _found(tmp_path / "list.txt") == ["b.png", "c.png"]


def test_nothing_is_named(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="empty.txt names no file"):
        find_images(str(tmp_path / "empty.txt"))
    with pytest.raises(FileNotFoundError, match="holds no .jpg"):
        find_images(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no file .*none.png"):
        open_photograph(tmp_path / "none.png")


def test_numbers_that_are_equal_are_one_id(tmp_path):
    paths = [tmp_path / name for name in ("7.png", "7a.png", "007.jpg")]
    check_image_ids(paths[:2])
    with pytest.raises(ValueError, match="7.png and .*007.jpg would both be"):
        check_image_ids(paths)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_upright_if_asked(tmp_path, orientation, suffix):
    """As Pillow itself turns them."""
    path = tmp_path / f"turned.{suffix}"
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8], pixels[:8, 8:] = (250, 0, 0), (0, 0, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        stored = np.asarray(image.convert("RGB"))
        meant = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    for upright, expected in ((False, stored), (True, meant)):
        one = open_photograph(path, upright)
        assert one.size_px == expected.shape[1::-1]
        # The decoders of JPEG differ a little, another turn by 250.
        np.testing.assert_allclose(one.pixels(), expected, atol=25)


def test_damaged_exif_data_turns_nothing(tmp_path):
    path = tmp_path / "odd.jpg"
    exif = Image.Exif()
    exif[0x0112] = 77
    Image.new("RGB", (3, 2), "red").save(path, exif=exif)
    assert open_photograph(path, upright=True).size_px == (3, 2)
