import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.export import export_saved_model, load
from axial_deeplab.export.grpc_predict import answer_predict
from axial_deeplab.export.requests import RequestError
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel

pytest.importorskip("tensorflow_serving")
from tensorflow_serving.apis import predict_pb2  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpc") / "model"
    model = ToyPanopticModel()
    return load(export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder))


def _request(signature="", outputs=(), **inputs):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(
            value
            if hasattr(value, "tensor_shape")
            else tf.make_tensor_proto(value)
        )
    return request


def _images(*size):
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (*size, 3)).astype(np.uint8)


def test_outputs_are_those_of_the_signature(model):
    images = _images(2, 6, 7)
    response = answer_predict(model, _request(images=images))
    expected = model.predict(tf.constant(images))
    assert set(response.outputs) == set(expected)
    for name, value in expected.items():
        found = tf.make_ndarray(response.outputs[name])
        assert found.dtype == value.dtype.as_numpy_dtype
        np.testing.assert_array_equal(found, value)
    assert response.model_spec.signature_name == "serving_default"


def test_what_is_not_asked_for_is_not_sent(model):
    images = _images(1, 6, 7)
    outputs = ("panoptic", "instance_ids")
    response = answer_predict(model, _request("", outputs, images=images))
    assert set(response.outputs) == set(outputs)


def _promising(sides):
    """One value, and a shape that TensorFlow would fill with it."""
    message = tf.make_tensor_proto(np.zeros(1, np.uint8))
    del message.tensor_shape.dim[:]
    for side in sides:
        message.tensor_shape.dim.add(size=side)
    return message


def _beyond_bytes():
    """Numbers that do not fit the type they claim."""
    message = predict_pb2.PredictRequest().inputs["images"]
    message.dtype = tf.uint8.as_datatype_enum
    message.int_val.extend([300, 0, 0])
    for side in (1, 1, 1, 3):
        message.tensor_shape.dim.add(size=side)
    return message


_PIXEL = np.zeros((1, 1, 1, 3), np.uint8)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (_request("x"), "no signature 'x'; known: enc"),
        (_request(), "'serving_default' are images; got nothing"),
        (_request(pictures=_PIXEL), "are images; got pictures"),
        (_request("", ["x"], images=_PIXEL), "outputs .* are .*; got x"),
        (_request(images=_PIXEL / 1.0), "must be uint8; got DT_DOUBLE"),
        (_request(images=_PIXEL), "need 2 pixels or more"),
        (_request(images=_PIXEL[0]), r"have the shape \(None.*got \(1, 1, 3\)"),
        (_request(images=_promising([1, 1 << 40, 1 << 20, 3])), "not hold"),
        (_request(images=_promising([1, -1, 2, 3])), "does not hold the shape"),
        (_request(images=_beyond_bytes()), "`images` is no uint8 tensor"),
        (_request("encoded", image_bytes=[b"hello"]), "of a JPEG or PNG"),
    ],
)
def test_bad_request_is_explained(model, request_, words):
    with pytest.raises(RequestError, match=words):
        answer_predict(model, request_)
