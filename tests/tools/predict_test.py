import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.data.photographs import find_images, open_photograph
from axial_deeplab.evaluation import png_files
from axial_deeplab.export import (
    ExportOptions,
    PanopticPredictor,
    export_saved_model,
)
from tests.export.toy import TOY_DATASET, TOY_SETTINGS
from tests.tools.predict_case import (
    arguments,
    flag_values,
    merged_ids,
    names,
    save,
)
from tools import predict

pytestmark = pytest.mark.usefixtures("loaded_once")
_ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_files_hold_what_the_model_predicts(
    model, saved_model, photographs, tmp_path, batch_size
):
    output_dir = tmp_path / "deep" / "found"
    json_file, skipped = predict.predict(
        *(saved_model, str(photographs), str(output_dir)),
        predict.Options(batch_size),
    )
    assert not skipped
    assert json_file == output_dir / "predictions.json"
    stems = ["000000000042", "b", "c", "d", "e"]
    pngs = [f"{stem}.png" for stem in stems]
    assert names(output_dir) == [
        "journal.jsonl",
        "labels",
        "overlays",
        "predictions",
        json_file.name,
    ]
    assert names(output_dir / "overlays") == pngs
    assert names(output_dir / "predictions") == pngs
    content = json.loads(json_file.read_text())
    assert [one["id"] for one in content["images"]] == [42, "b", "c", "d", "e"]
    live = PanopticPredictor(model, TOY_SETTINGS)
    for one, annotation in zip(
        find_images(str(photographs)),
        content["annotations"],
        strict=True,
    ):
        image = open_photograph(one).pixels()
        expected = live.predict(image[None])["panoptic"][0].numpy()
        ids = png_files.read_id_png(
            output_dir / "predictions" / annotation["file_name"]
        )
        np.testing.assert_array_equal(ids, merged_ids(expected))
        categories = {
            TOY_DATASET.class_by_id[value // 256].original_id
            for value in np.unique(expected)
            if value != TOY_SETTINGS.void_id
        }
        segments = annotation["segments_info"]
        assert {one["category_id"] for one in segments} == categories
        things = [c.original_id for c in TOY_DATASET.classes if c.is_thing]
        for segment in segments:
            is_thing = segment["category_id"] in things
            assert ("score" in segment) == is_thing
        overlay = Image.open(output_dir / "overlays" / f"{one.stem}.png")
        assert overlay.size == image.shape[1::-1]
        assert ids.max() == 0 or (np.asarray(overlay) != image).any()


def test_pattern_and_single_file(photographs):
    assert _stems(photographs / "[bc].png") == ["b", "c"]
    assert _stems(photographs / "b.png") == ["b"]
    assert _stems(photographs) == ["000000000042", "b", "c", "d", "e"]


def _stems(images):
    return [path.stem for path in find_images(str(images))]


def test_grey_and_palette_images_are_read_as_rgb(photographs):
    grey = open_photograph(photographs / "d.JPEG").pixels()
    assert grey.shape == (9, 11, 3)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    palette = open_photograph(photographs / "e.png").pixels()
    expected = Image.open(photographs / "e.png").convert("RGB")
    np.testing.assert_array_equal(palette, np.asarray(expected))


@pytest.mark.parametrize(
    ("upright", "size_px"), [(True, (14, 19)), (False, (19, 14))]
)
def test_turned_photograph_is_segmented_upright(
    saved_model, tmp_path, upright, size_px
):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (19, 14), "green").save(tmp_path / "a.jpg", exif=exif)
    predict.predict(
        saved_model,
        str(tmp_path / "a.jpg"),
        str(tmp_path / "found"),
        predict.Options(upright=upright),
    )
    for name in ("overlays", "labels", "predictions"):
        with Image.open(tmp_path / "found" / name / "a.png") as picture:
            assert picture.size == size_px


def test_second_run_replaces_the_first(saved_model, photographs, tmp_path):
    output_dir = tmp_path / "found"
    predict.predict(saved_model, str(photographs), str(output_dir))
    (output_dir / "mine.txt").write_text("kept")
    predict.predict(saved_model, str(photographs / "b.png"), str(output_dir))
    assert names(output_dir / "predictions") == ["b.png"]
    assert names(output_dir / "overlays") == ["b.png"]
    assert (output_dir / "mine.txt").exists()
    assert names(tmp_path) == ["found", "photographs"]


def _no_png(folder):
    (folder / "a.png").write_text("this is text")


def _empty_file(folder):
    (folder / "a.png").touch()


def _truncated_jpeg(folder):
    content = (folder / "000000000042.jpg").read_bytes()
    (folder / "a.jpg").write_bytes(content[: len(content) // 2])


def _one_pixel(folder):
    save(folder / "a.png", 1, 1)


def _no_pixels(folder):
    # A PNG header that claims a width of 0.
    content = bytearray((folder / "b.png").read_bytes())
    content[16:20] = bytes(4)
    (folder / "a.png").write_bytes(content)


def _same_id(folder):
    save(folder / "42.png", 4, 4)


def _same_stem(folder):
    save(folder / "b.jpg", 4, 4)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_no_png, "a.png is no JPEG or PNG"),
        (_empty_file, "a.png is no JPEG or PNG"),
        (_truncated_jpeg, "a.jpg"),
        (_one_pixel, "a.png has 1x1 pixels"),
        (_no_pixels, "a.png"),
    ],
)
def test_bad_image_is_named_and_the_rest_finish(
    saved_model, photographs, tmp_path, capsys, spoil, named
):
    spoil(photographs)
    json_file, skipped = predict.predict(
        saved_model, str(photographs), str(tmp_path / "found")
    )
    assert skipped == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("predict.py: skipped: ") and named in line
    images = json.loads(json_file.read_text())["images"]
    assert [one["id"] for one in images] == [42, "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("spoil", "named"), [(_same_id, r"42\.png"), (_same_stem, r"b\.jpg")]
)
def test_two_images_of_one_id_are_refused(
    saved_model, photographs, tmp_path, spoil, named
):
    spoil(photographs)
    with pytest.raises(ValueError, match=named):
        predict.predict(saved_model, str(photographs), str(tmp_path / "found"))
    assert names(tmp_path) == ["photographs"]


def test_image_that_the_model_refuses_is_left_out(
    model, photographs, tmp_path, capsys
):
    options = ExportOptions(max_pixels=200)
    small = tmp_path / "model"
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, small, options)
    _, skipped = predict.predict(
        *(str(small), str(photographs), str(tmp_path / "found")),
        predict.Options(batch_size=2),
    )
    # Those of 14 x 19; b and c came in one batch.
    assert skipped == 3
    assert capsys.readouterr().err.count("may have 200 pixels") == 3
    assert names(tmp_path / "found" / "predictions") == ["d.png", "e.png"]


def test_list_of_files(saved_model, photographs, tmp_path):
    listed = tmp_path / "names.txt"
    listed.write_text(f"{photographs}/d.JPEG\n\n{photographs}/none.png\n")
    json_file, skipped = predict.predict(
        *(saved_model, [str(listed), str(photographs / "b.png")]),
        str(tmp_path / "found"),
    )
    images = json.loads(json_file.read_text())["images"]
    assert [one["id"] for one in images] == ["d", "b"]
    assert skipped == 1  # none.png


@pytest.mark.parametrize("images", ["missing", "empty", "*.nothing"])
def test_no_images_are_named(saved_model, tmp_path, images):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=images.strip("*")):
        predict.predict(
            saved_model, str(tmp_path / images), str(tmp_path / "found")
        )
    assert names(tmp_path) == ["empty"]


def test_folder_without_model_is_named(photographs, tmp_path):
    with pytest.raises(FileNotFoundError, match="photographs"):
        predict.predict(
            str(photographs), str(photographs), str(tmp_path / "found")
        )


def test_output_that_is_a_file_is_named(saved_model, photographs, tmp_path):
    (tmp_path / "found").touch()
    with pytest.raises(NotADirectoryError, match="found"):
        predict.predict(saved_model, str(photographs), str(tmp_path / "found"))


def test_work_names_the_json_file(saved_model, photographs, tmp_path):
    """tests/integration/main_job_test.py runs it as a program."""
    output_dir = tmp_path / "found"
    text = predict.work(flag_values(saved_model, photographs, output_dir))
    assert text == f"Wrote {output_dir}/predictions.json"
    assert (output_dir / "predictions.json").is_file()


def test_left_out_pictures_end_in_status_1(
    saved_model, photographs, tmp_path, capsys
):
    _no_png(photographs)
    output_dir = tmp_path / "found"
    values = flag_values(saved_model, photographs, output_dir)
    with pytest.raises(SystemExit, match="1"):
        predict.work(values)
    skipped, summary = capsys.readouterr().err.splitlines()
    assert "a.png is no JPEG or PNG" in skipped
    assert f"wrote {output_dir}/predictions.json" in summary
    assert "left out 1 of the pictures" in summary


def test_command_line_error_is_one_line(saved_model, tmp_path):
    given = arguments(saved_model, tmp_path, tmp_path / "found")
    done = subprocess.run(
        [sys.executable, "-m", "tools.predict", *given],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"predict.py: the folder {tmp_path}")
