"""TensorFlow Serving's REST format, spoken by an export.

https://www.tensorflow.org/tfx/serving/api_rest: `predict` requests with
"instances" (a row an image) or "inputs" (columns), binary values as
{"b64": ...}, and the answers and errors that belong to them.
"""

import base64
import binascii
import json
from typing import Any

import numpy as np
import tensorflow as tf

from axial_deeplab.export.requests import (
    RequestError,
    compute,
    find_signature,
)
from axial_deeplab.export.reuse import Export


def answer_predict(model: Export, body: bytes) -> dict[str, Any]:
    """The answer to a predict request.

    Args:
      model: a loaded export.
      body: JSON with "instances" or "inputs", and perhaps "signature_name".

    Returns:
      {"predictions": [...]} for instances, {"outputs": {...}} for inputs.

    Raises:
      RequestError: with words, whatever is wrong with the request.
    """
    request = _parsed(body)
    signature, wanted = find_signature(
        model, request.get("signature_name", "serving_default")
    )
    by_row = "instances" in request
    if by_row == ("inputs" in request):
        raise RequestError('A request has "instances" or "inputs".')
    if by_row:
        columns = _columns(request["instances"], list(wanted))
    else:
        columns = _named(request["inputs"], list(wanted))
    inputs = {
        name: _tensor(name, columns[name], spec.dtype)
        for name, spec in wanted.items()
    }
    outputs = {
        name: value.tolist()
        for name, value in compute(signature, inputs).items()
    }
    if not by_row:
        return {"outputs": outputs}
    rows = zip(*outputs.values(), strict=True)
    rows = [dict(zip(outputs, row, strict=True)) for row in rows]
    return {"predictions": rows}


def predict_request(
    image_bytes: list[bytes], signature: str = "encoded"
) -> bytes:
    """The body of a request for JPEG or PNG contents."""
    instances = [
        {"image_bytes": {"b64": base64.b64encode(one).decode()}}
        for one in image_bytes
    ]
    return json.dumps(
        {"signature_name": signature, "instances": instances}
    ).encode()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The request is no JSON: {error}") from error
    if not isinstance(request, dict):
        raise RequestError("The request must be a JSON object.")
    return request


def _columns(instances: Any, names: list[str]) -> dict[str, list]:
    """Rows as columns; a signature of one input needs no name."""
    if not isinstance(instances, list) or not instances:
        raise RequestError('"instances" must be a list that is not empty.')
    rows = [
        row
        if isinstance(row, dict) and set(row) != {"b64"}
        else {names[0]: row}
        for row in instances
    ]
    for row in rows:
        if set(row) != set(names):
            raise RequestError(
                f"An instance must have {', '.join(names)}; got "
                f"{', '.join(sorted(map(str, row))) or 'nothing'}."
            )
    return {name: [row[name] for row in rows] for name in names}


def _named(inputs: Any, names: list[str]) -> dict[str, Any]:
    if not isinstance(inputs, dict) or set(inputs) == {"b64"}:
        return {names[0]: inputs}
    if set(inputs) != set(names):
        raise RequestError(
            f'"inputs" must have {", ".join(names)}; got '
            f"{', '.join(sorted(inputs)) or 'nothing'}."
        )
    return inputs


def _tensor(name: str, value: Any, dtype: tf.DType) -> tf.Tensor:
    if dtype == tf.string:
        value = _decoded(value)
    try:
        array = np.array(value)
        if dtype.is_integer and not _in_range(array, dtype):
            raise ValueError(f"whole numbers {dtype.min}..{dtype.max} expected")
        return tf.constant(value, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(
            f"`{name}` is no {dtype.name} tensor: {error}"
        ) from (error)


def _in_range(array: np.ndarray, dtype: tf.DType) -> bool:
    whole = array.dtype.kind in "iu" or not array.size
    return whole and (dtype.min <= array).all() and (array <= dtype.max).all()


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    if isinstance(value, dict) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise RequestError(f'"b64" holds no base64: {error}') from error
    return value
