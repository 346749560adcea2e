"""tools/predict.py: runs that are resumed, and averages over scales."""

import numpy as np
import pytest

from axial_deeplab import visualization
from axial_deeplab.data.photographs import find_images, open_photograph
from axial_deeplab.evaluation import png_files
from axial_deeplab.export import ExportOptions, PanopticPredictor
from axial_deeplab.models.multi_scale import MultiScale
from tests.export.toy import TOY_SETTINGS
from tests.tools.predict_case import merged_ids, names, save
from tools import predict


def _interrupt_after(monkeypatch, count):
    """Lets a run end as by Ctrl-C once so many overlays are written."""
    written = []

    def write(path, picture):
        if path.parent.name == "overlays":
            if len(written) == count:
                raise KeyboardInterrupt
            written.append(path.name)
        write_png(path, picture)

    write_png = visualization.write_png
    monkeypatch.setattr(visualization, "write_png", write)
    return written


def _content(folder):
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_interrupted_run_is_resumed(
    saved_model, photographs, tmp_path, monkeypatch
):
    predict.predict(saved_model, str(photographs), str(tmp_path / "whole"))
    found = tmp_path / "found"
    resume = predict.Options(resume=True)
    with monkeypatch.context() as patch:
        first = _interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            predict.predict(saved_model, str(photographs), str(found))
    assert not found.exists()
    journal = tmp_path / ".found.partial" / "journal.jsonl"
    with open(journal, "a") as stream:
        stream.write('{"image": {"id"')  # torn
    with monkeypatch.context() as patch:
        second = _interrupt_after(patch, 99)
        predict.predict(saved_model, str(photographs), str(found), resume)
    assert [first, second] == [
        ["000000000042.png", "b.png"],
        ["c.png", "d.png", "e.png"],
    ]
    assert _content(found) == _content(tmp_path / "whole")
    assert names(tmp_path) == ["found", "photographs", "whole"]
    # A finished one takes what is new.
    save(photographs / "f.png", 5, 5)
    with monkeypatch.context() as patch:
        third = _interrupt_after(patch, 99)
        predict.predict(saved_model, str(photographs), str(found), resume)
    assert third == ["f.png"]
    predict.predict(saved_model, str(photographs), str(tmp_path / "whole"))
    assert _content(found) == _content(tmp_path / "whole")


def test_other_settings_are_not_resumed(saved_model, photographs, tmp_path):
    found = str(tmp_path / "found")
    predict.predict(saved_model, str(photographs), found)
    options = predict.Options(multi_scale=MultiScale((0.5,)), resume=True)
    with pytest.raises(ValueError, match="cannot be resumed: they were made"):
        predict.predict(saved_model, str(photographs), found, options)


def test_scales_and_flip_are_averaged(
    model, saved_model, photographs, tmp_path
):
    multi_scale = MultiScale((0.5, 1.0), flip=True)
    predict.predict(
        *(saved_model, str(photographs), str(tmp_path / "found")),
        predict.Options(multi_scale=multi_scale),
    )
    # At half its size, e.png is one pixel: only whole images need two.
    options = ExportOptions(multi_scale=multi_scale)
    live = PanopticPredictor(model, TOY_SETTINGS, options)
    plain = PanopticPredictor(model, TOY_SETTINGS)
    changed = 0
    for path in find_images(str(photographs)):
        image = open_photograph(path).pixels()[None]
        expected = live.predict(image)["panoptic"][0].numpy()
        alone = plain.predict(image)["panoptic"][0].numpy()
        changed += not np.array_equal(alone, expected)
        png = tmp_path / "found" / "predictions" / f"{path.stem}.png"
        np.testing.assert_array_equal(
            png_files.read_id_png(png), merged_ids(expected)
        )
    assert changed
