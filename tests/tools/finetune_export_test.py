import numpy as np
import pytest
from absl import flags

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.export import export_saved_model
from axial_deeplab.postprocess import PanopticSettings
from tests.models.tiny_models import settle, tiny_panoptic
from tools import finetune_export


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    spec = dataset_spec("shapes")
    model = settle(tiny_panoptic(num_classes=spec.num_classes))
    settings = PanopticSettings.of(spec)
    folder = tmp_path_factory.mktemp("finetune") / "model"
    return str(export_saved_model(model, spec, settings, folder))


def _run(saved_model, *arguments):
    values = flags.FlagValues()
    finetune_export.define_flags(values)
    values(["finetune", f"--saved_model={saved_model}", *arguments])
    return finetune_export.finetune(values)


def test_labels_are_the_new_classes():
    images, labels = finetune_export.scenes("val", 0, 4)
    assert images.shape == (4, 65, 81, 3) and images.max() > 200
    assert set(np.unique(labels)) == {0, 1, 2}


@pytest.mark.large
def test_export_learns_other_classes(saved_model, tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_export, "_VALIDATION_SCENES", 2)
    output = tmp_path / "new.keras"
    text = _run(
        saved_model, "--steps=2", "--batch_size=2", f"--output_file={output}"
    )
    lines = text.splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names == ["other", "round", "cornered"]
    assert output.stat().st_size > 10_000


def test_folder_without_export_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no SavedModel made by"):
        _run(str(tmp_path))
