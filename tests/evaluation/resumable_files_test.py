import json

import numpy as np
import pytest

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.evaluation.resumable_files import ResumableResults

SPEC = dataset_spec("shapes")
MAP = np.zeros((4, 5), np.int32)


def _run(folder, add, made_by=(1, 2), resume=True, interrupted=False):
    """Adds images; returns those that were done before."""
    with ResumableResults(
        folder / "found", SPEC, {"by": made_by}, resume
    ) as results:
        before = set(results.done)
        for image_id in add:
            results.add(image_id, MAP)
        if interrupted:
            raise KeyboardInterrupt
    return before


def _listed(folder):
    content = json.loads((folder / "found" / "predictions.json").read_text())
    pngs = (folder / "found" / "predictions").iterdir()
    names = [one["file_name"] for one in content["annotations"]]
    assert sorted(path.name for path in pngs) == sorted(names)
    return names


def test_interrupted_and_finished_runs_go_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, ["01", "b"], interrupted=True)
    assert not (tmp_path / "found").exists()
    with open(tmp_path / ".found.partial" / "journal.jsonl", "a") as journal:
        journal.write('{"image": {')  # torn by a crash
    assert _run(tmp_path, ["c"]) == {"01", "b"}
    assert _listed(tmp_path) == ["01.png", "b.png", "c.png"]
    assert _run(tmp_path, ["d"]) == {"01", "b", "c"}
    assert _listed(tmp_path) == ["01.png", "b.png", "c.png", "d.png"]
    assert _run(tmp_path, ["e"], resume=False) == set()
    assert _listed(tmp_path) == ["e.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["found"]


def test_finished_run_stays_whole_while_another_goes_on(tmp_path):
    _run(tmp_path, ["a"])
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, ["b"], interrupted=True)
    assert _listed(tmp_path) == ["a.png"]
    assert _run(tmp_path, []) == {"a", "b"}


def test_results_of_something_else_are_refused(tmp_path):
    _run(tmp_path, ["a"])
    with pytest.raises(ValueError, match="found cannot be resumed: they were"):
        _run(tmp_path, ["b"], made_by=(1, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["found"]


def test_failure_without_an_image_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, [], interrupted=True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "found").touch()
    with pytest.raises(NotADirectoryError, match="found is no folder"):
        _run(tmp_path, ["a"])
