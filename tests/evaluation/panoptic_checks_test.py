import json
import logging
import re

import numpy as np
import pytest

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.evaluation import PanopticResultWriter, pq_compute
from axial_deeplab.evaluation.panoptic_checks import doubts
from axial_deeplab.evaluation.run_lengths import segment_overlaps

IDS = np.array([[1, 1, 2, 3, 0]])


def _segment(key, **fields):
    segment = {"id": key, "category_id": 7, "area": 1, "iscrowd": 0}
    return segment | fields


def _truths():
    return [_segment(1, area=2), _segment(2), _segment(3)]


def _found(truths, predictions=None):
    predictions = _truths() if predictions is None else predictions
    overlaps = segment_overlaps(IDS, IDS)
    return list(doubts(overlaps, truths, predictions, "In the image 5"))


def test_sound_data_raise_no_doubt():
    assert not _found(_truths())
    # Neither the area of a crowd nor a missing area matters.
    assert not _found([_segment(1, iscrowd=1, area=9), *_truths()[1:]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop(), "segment 3 is not presented in JSON"),
        (lambda s: s.append(_segment(9)), "segment 9 has no pixels"),
        (lambda s: s[0].update(area=3), "segment 1 has the area 3 .* 2 in PNG"),
        (lambda s: s.append(_segment(3)), "truth lists the segment 3 2 times"),
        (
            lambda s: [one.update(iscrowd=1) for one in s[:2]],
            "2 crowds are of the category 7",
        ),
        (lambda s: s.append(_segment(0)), "truth lists the segment 0"),
    ],
)
def test_doubtful_truth_is_named(change, words):
    truths = _truths()
    change(truths)
    (doubt,) = _found(truths)
    assert doubt.startswith("In the image 5 ")
    assert re.search(words, doubt)


def test_doubtful_predictions_are_named():
    twice = [*_truths(), _segment(1), _segment(0)]
    first, second = _found(_truths(), twice)
    assert "the prediction lists the segment 1 2 times" in first
    assert "the prediction lists the segment 0, the id of void" in second


def test_doubts_about_files_are_logged_up_to_a_limit(tmp_path, caplog):
    spec = dataset_spec("shapes")
    with PanopticResultWriter(tmp_path, spec, "truth") as writer:
        for image_id in range(25):
            writer.add(image_id, np.full((2, 2), 4 * spec.label_divisor + 1))
    content = json.loads(writer.json_file.read_text())
    for annotation in content["annotations"]:
        annotation["segments_info"][0]["area"] = 3
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    with caplog.at_level(logging.WARNING):
        result = pq_compute(changed, writer.json_file, tmp_path / "truth")
    assert result["All"]["sq"] == pytest.approx(4 / 3)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 21
    assert lines[0].startswith("In the image with ID 0 the true segment 1 has")
    assert lines[-1] == "... and 5 more of such lines."
