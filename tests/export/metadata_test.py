import dataclasses
import json

import pytest

from axial_deeplab.data.dataset_specs import DATASET_SPECS
from axial_deeplab.export import ExportMetadata, read_metadata
from axial_deeplab.postprocess import PanopticSettings
from tests.export.toy import TOY_DATASET, TOY_SETTINGS


@pytest.mark.parametrize("name", sorted(DATASET_SPECS))
def test_json_round_trip_of_every_data_set(name):
    spec = DATASET_SPECS[name]
    metadata = ExportMetadata(
        spec,
        PanopticSettings(
            spec.thing_ids, spec.ignore_label, spec.label_divisor, 0.25
        ),
    )
    assert ExportMetadata.from_json(metadata.to_json()) == metadata


@pytest.mark.parametrize(
    "change",
    [{"thing_ids": (1,)}, {"ignore_label": 9}, {"label_divisor": 1000}],
)
def test_settings_of_another_data_set_are_refused(change):
    settings = dataclasses.replace(TOY_SETTINGS, **change)
    with pytest.raises(ValueError, match=next(iter(change))):
        ExportMetadata(TOY_DATASET, settings)


def _write(folder, text):
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").touch()
    (folder / "assets" / "dataset.json").write_text(text)


def test_read_metadata(tmp_path):
    metadata = ExportMetadata(TOY_DATASET, TOY_SETTINGS)
    _write(tmp_path, metadata.to_json())
    assert read_metadata(tmp_path) == metadata


def _without_divisor():
    content = json.loads(ExportMetadata(TOY_DATASET, TOY_SETTINGS).to_json())
    del content["dataset"]["label_divisor"]
    return json.dumps(content)


@pytest.mark.parametrize(
    "text", ["no json", "[]", "{}", '{"format": 99}', _without_divisor()]
)
def test_damaged_metadata_is_named(tmp_path, text):
    _write(tmp_path, text)
    with pytest.raises(ValueError, match=r"dataset\.json"):
        read_metadata(tmp_path)


def test_folder_without_saved_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        read_metadata(tmp_path)
