import json

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.experiments.panoptic_evaluation import METRICS
from axial_deeplab.experiments.scale_table import (
    draw_table,
    format_table,
    read_table,
)

SETTINGS = {"model": "abc", "task.dataset": "shapes"}


def _result(ratio, pq, **changes):
    scores = dict.fromkeys(METRICS, 50.0) | {"pq_all": pq}
    return scores | {
        "ratio": ratio,
        "size_px": [int(96 * ratio) + 1] * 2,
        "images": 7,
        "seconds_per_image": 0.1234,
        **changes,
    }


def _table():
    results = [_result(0.25, 12.345), _result(2.0, 60.0, pq_things=None)]
    return {"settings": SETTINGS, "results": results}


def test_new_table_is_empty(tmp_path):
    table = read_table(tmp_path / "table.json", SETTINGS)
    assert table == {"settings": SETTINGS, "results": []}
    assert not list(tmp_path.iterdir())


def test_table_of_the_same_settings_is_taken(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(_table()))
    assert read_table(path, dict(reversed(SETTINGS.items()))) == _table()


@pytest.mark.parametrize("text", ["[]", "{}", "nothing", '{"settings": 1}'])
def test_other_file_is_named(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="table.json is no table of this tool"):
        read_table(path, SETTINGS)


def test_other_settings_are_named(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(_table()))
    for changes, message in (
        ({"model": "xyz"}, "another model; choose another --output_dir"),
        ({"model": 1, "task.dataset": 2}, "another model and task.dataset;"),
        ({"new": 1}, "another new;"),
    ):
        with pytest.raises(ValueError, match=message):
            read_table(path, SETTINGS | changes)


def test_text_is_a_line_for_each_ratio():
    head, first, second = format_table(_table()).splitlines()
    assert head.split()[:4] == ["ratio", "size", "images", "PQ"]
    assert first.split()[:4] == ["0.25", "25x25", "7", "12.35"]
    assert second.split()[:6] == [
        "2",
        "193x193",
        "7",
        "60.00",
        "50.00",
        "50.00",
    ]
    assert second.split()[6] == "-" and second.endswith("0.123")
    assert len(head) == len(first) == len(second)


def test_picture_shows_the_curves(tmp_path):
    table, other = _table(), _table()
    other["results"][0]["pq_all"] = 55.0
    pictures = []
    for number, one in enumerate((table, other)):
        path = tmp_path / f"{number}.png"
        draw_table(one, path, "model")
        pictures.append(np.asarray(Image.open(path)).astype(int))
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any(axis=-1).sum() > 100
    blue = (pictures[0] == (0x1F, 0x77, 0xB4)).all(axis=-1)
    red = (pictures[0] == (0xD6, 0x27, 0x28)).all(axis=-1)
    assert blue.sum() > red.sum() > 20  # things have one point, no line
