import pytest
from PIL import Image

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
