"""tools/predict.py with a semantic model."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from axial_deeplab import keys
from axial_deeplab.export import (
    ExportOptions,
    SemanticPredictor,
    export_saved_model,
)
from axial_deeplab.models.multi_scale import MultiScale
from tests.export.toy import TOY_DATASET, ToyPanopticModel
from tests.tools import predict_case
from tools import predict


@pytest.fixture(scope="module")
def model():
    return ToyPanopticModel()


@pytest.fixture(scope="module")
def saved_model(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "semantic"
    return str(export_saved_model(model, TOY_DATASET, None, folder))


@pytest.mark.parametrize("scales", [None, (1.0, 1.5)])
def test_predict_writes_labels(model, saved_model, tmp_path, scales):
    photographs = predict_case.photographs(tmp_path / "photographs")
    multi_scale = scales and MultiScale(scales)
    options = predict.Options(2, multi_scale)
    json_file, skipped = predict.predict(
        *(saved_model, str(photographs), str(tmp_path / "found"), options)
    )
    assert not skipped
    live = SemanticPredictor(
        *(model, 255, ExportOptions(multi_scale=multi_scale or MultiScale()))
    )
    pixels = np.asarray(Image.open(photographs / "b.png"))
    expected = live.predict(tf.constant(pixels[None]))[keys.SEMANTIC][0]
    labels = np.asarray(Image.open(tmp_path / "found" / "labels" / "b.png"))
    np.testing.assert_array_equal(labels, expected)
    found = json.loads(json_file.read_text())["annotations"][1]
    ids = {one["category_id"] for one in found["segments_info"]}
    originals = [one.original_id for one in TOY_DATASET.classes]
    assert ids == {originals[one] for one in np.unique(labels)}
