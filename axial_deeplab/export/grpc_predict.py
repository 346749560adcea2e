"""TensorFlow Serving's gRPC format, spoken by an export and by its clients.

`PredictionService.Predict`: a PredictRequest names model and signature and
holds the input tensors by name; a PredictResponse holds the outputs. The
messages come with the package tensorflow-serving-api, which nothing else
needs: `pip install "axial_deeplab[serve]"`.
"""

import concurrent.futures
import types
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from axial_deeplab.export.requests import (
    RequestError,
    compute,
    find_signature,
)
from axial_deeplab.export.reuse import Export

_SERVICE = "tensorflow.serving.PredictionService"
_PACKAGE = "tensorflow-serving-api==2.20.*"
_THREADS = 4
_VERSION = 1  # the only one, as of HTTP


def answer_predict(model: Export, request: Any) -> Any:
    """The PredictResponse to a PredictRequest.

    Raises:
      ImportError: a package is missing; it says which.
      RequestError: with words, whatever is wrong with the request.
    """
    name = request.model_spec.signature_name or "serving_default"
    signature, wanted = find_signature(model, name)
    if set(request.inputs) != set(wanted):
        raise RequestError(
            f"The inputs of {name!r} are {', '.join(wanted)}; got "
            f"{', '.join(sorted(request.inputs)) or 'nothing'}."
        )
    known = signature.structured_outputs
    names = list(request.output_filter) or list(known)
    if not set(names) <= set(known):
        raise RequestError(
            f"The outputs of {name!r} are {', '.join(sorted(known))}; got "
            f"{', '.join(names)}."
        )
    inputs = {
        key: _tensor(key, request.inputs[key], spec.dtype)
        for key, spec in wanted.items()
    }
    outputs = compute(signature, inputs)
    response = _messages().PredictResponse()
    response.model_spec.CopyFrom(request.model_spec)
    response.model_spec.signature_name = name
    for key in names:
        response.outputs[key].CopyFrom(tf.make_tensor_proto(outputs[key]))
    return response


def make_server(
    name: str,
    answer: Callable[[Any], Any],
    address: str,
    max_bytes: int = 1 << 26,
) -> tuple[Any, int]:
    """A grpc.Server, not started yet, and the port at which it will listen.

    Args:
      name: of the model; others are NOT_FOUND.
      answer: a PredictRequest to a PredictResponse; a `RequestError` of it
        reaches the client as INVALID_ARGUMENT.
      address: host:port; port 0 takes any that is free.
      max_bytes: longest request.

    Raises:
      ImportError: a package is missing; it says which.
      OSError: the address cannot be had.
    """
    messages, grpc = _messages(), _grpc()

    def predict(request: Any, context: Any) -> Any:
        if request.model_spec.name != name:
            words = f"There is no model {request.model_spec.name!r}, but {name}"
            context.abort(grpc.StatusCode.NOT_FOUND, words)
        if not _is_served(request.model_spec):
            words = f"{name} has version {_VERSION}, and no labels"
            context.abort(grpc.StatusCode.NOT_FOUND, words)
        try:
            return answer(request)
        except RequestError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{error}")

    method = grpc.unary_unary_rpc_method_handler(
        predict,
        messages.PredictRequest.FromString,
        messages.PredictResponse.SerializeToString,
    )
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(_THREADS),
        [grpc.method_handlers_generic_handler(_SERVICE, {"Predict": method})],
        options=[
            ("grpc.max_receive_message_length", max_bytes),
            # Else a second server would share the port without a word.
            ("grpc.so_reuseport", 0),
        ],
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:  # what older versions of grpc return
        raise OSError(f"No server can listen at {address}.")
    return server, port


def _is_served(spec: Any) -> bool:
    """Whether a request wants the version there is, or any."""
    if spec.WhichOneof("version_choice") == "version":
        return spec.version.value == _VERSION
    return spec.WhichOneof("version_choice") is None


def ask(
    address: str, name: str, image_bytes: list[bytes], seconds: float = 600
) -> list[dict[str, Any]]:
    """What a server says of JPEG or PNG contents: a row an image, by name.

    Args:
      address: host:port of a server.
      name: of the model there.
      image_bytes: contents of files.
      seconds: after which it gives up.

    Raises:
      ImportError: a package is missing; it says which.
      OSError: there is no server, or it refuses; with its words.
    """
    grpc, messages = _grpc(), _messages()
    request = messages.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = "encoded"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(image_bytes))
    any_size = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, any_size) as channel:
        predict = channel.unary_unary(
            f"/{_SERVICE}/Predict",
            messages.PredictRequest.SerializeToString,
            messages.PredictResponse.FromString,
        )
        try:
            response = predict(request, timeout=seconds)
        except grpc.RpcError as error:
            raise OSError(
                f"{address} answers {error.code().name}: {error.details()}"
            ) from error
    columns = {
        key: tf.make_ndarray(value).tolist()
        for key, value in response.outputs.items()
    }
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _tensor(name: str, message: Any, dtype: tf.DType) -> tf.Tensor:
    if message.dtype != dtype.as_datatype_enum:
        field = message.DESCRIPTOR.fields_by_name["dtype"]
        came = field.enum_type.values_by_number.get(message.dtype)
        raise RequestError(
            f"`{name}` must be {dtype.name}; got "
            f"{came.name if came else message.dtype}."
        )
    # A shape may promise more than there is, and TensorFlow would fill it up.
    sides = [side.size for side in message.tensor_shape.dim]
    elements = 1
    for side in sides:
        elements *= side
    if min(sides, default=0) < 0 or elements > message.ByteSize():
        raise RequestError(f"`{name}` does not hold the shape {sides}.")
    try:
        return tf.constant(tf.make_ndarray(message), dtype)
    except (OverflowError, TypeError, ValueError) as error:
        raise RequestError(f"`{name}` is no {dtype.name} tensor.") from error


def _messages() -> types.ModuleType:
    try:
        from tensorflow_serving.apis import predict_pb2
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return predict_pb2


def _grpc() -> types.ModuleType:
    try:
        import grpc
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return grpc


def _missing(error: ModuleNotFoundError) -> ImportError:
    return ImportError(
        f"gRPC needs a package that is not there ({error.name}): pip install "
        f"'{_PACKAGE}'"
    )
