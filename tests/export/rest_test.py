import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.export import export_saved_model, load
from axial_deeplab.export.rest import (
    RequestError,
    answer_predict,
    predict_request,
)
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest") / "model"
    model = ToyPanopticModel()
    return load(export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder))


def _images(*size):
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (*size, 3)).astype(np.uint8)


def _ask(model, **request):
    answer = answer_predict(model, json.dumps(request).encode())
    return json.loads(json.dumps(answer, allow_nan=False))


def test_rows_and_columns_give_the_same(model):
    images = _images(2, 6, 7)
    expected = model.predict(tf.constant(images))
    by_name = _ask(model, instances=[{"images": x.tolist()} for x in images])
    rows = _ask(model, instances=images.tolist())
    columns = _ask(model, inputs={"images": images.tolist()})
    unnamed = _ask(model, inputs=images.tolist())
    assert by_name == rows and columns == unnamed
    assert set(columns["outputs"]) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(columns["outputs"][name], value, 1e-6)
        found = [row[name] for row in rows["predictions"]]
        np.testing.assert_allclose(found, value, 1e-6)


def test_encoded_images(model):
    contents = [tf.io.encode_png(x).numpy() for x in _images(2, 6, 7)]
    answer = answer_predict(model, predict_request(contents))
    expected = model.predict_encoded(contents)
    found = [row["panoptic"] for row in answer["predictions"]]
    np.testing.assert_array_equal(found, expected["panoptic"])
    # A binary value alone is a row, too.
    encoded = {"b64": base64.b64encode(contents[0]).decode()}
    alone = _ask(model, signature_name="encoded", instances=[encoded])
    assert alone["predictions"][0]["panoptic"] == found[0]


_PIXEL = [[[0, 0, 0]]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is no JSON"),
        (b"[1]", "must be a JSON object"),
        ({"instances": [], "inputs": []}, '"instances" or "inputs"'),
        ({}, '"instances" or "inputs"'),
        ({"instances": []}, "list that is not empty"),
        ({"signature_name": "x", "inputs": 1}, "no signature 'x'; known: enc"),
        ({"instances": [{"pictures": 1}]}, "must have images; got pictures"),
        ({"inputs": {}}, "must have images; got nothing"),
        ({"inputs": "text"}, "`images` is no uint8 tensor"),
        ({"inputs": [[[[256, 0, 0]]]]}, r"whole numbers 0\.\.255"),
        ({"inputs": [[[[0.5, 0, 0]]]]}, r"whole numbers 0\.\.255"),
        ({"inputs": [[[[0, 0], [0]]]]}, "`images` is no uint8 tensor"),
        ({"inputs": [_PIXEL]}, "need 2 pixels or more"),
        (
            {"signature_name": "encoded", "inputs": [{"b64": "?"}]},
            "holds no base64",
        ),
        (
            {"signature_name": "encoded", "inputs": [{"b64": "aGVsbG8="}]},
            "bytes of a JPEG or PNG",
        ),
        (
            {"signature_name": "heads", "inputs": [[[[1e39] * 3] * 2]]},
            "NaN or infinity|is no float32",
        ),
    ],
)
def test_bad_request_is_explained(model, body, words):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    with pytest.raises(RequestError, match=words):
        answer_predict(model, body)
