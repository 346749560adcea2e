r"""Serves an export over HTTP and gRPC, in TensorFlow Serving's formats.

python tools/serve.py --saved_model=runs/shapes/saved_model --port=8501 \
    --grpc_port=8500
python tools/serve_client.py --images=photographs
python tools/serve_client.py --images=photographs --url=grpc://localhost:8500

For trials and tests where TensorFlow Serving is not at hand. In production
serve the same folder with it, as MODEL_DIR/1:

tensorflow_model_server --rest_api_port=8501 --port=8500 \
    --model_name=panoptic --model_base_path=MODEL_DIR

Answers POST /v1/models/panoptic:predict, GET /v1/models/panoptic (state) and
GET /v1/models/panoptic/metadata, and with --grpc_port, which needs the package
tensorflow-serving-api, PredictionService.Predict. A bad request gets status 400
and {"error": WORDS}, or INVALID_ARGUMENT and words; the server lives on.
"""

import contextlib
import functools
import http.server
import json
import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab import export  # noqa: E402
from axial_deeplab.command_line import run_tool, unwrapped  # noqa: E402
from axial_deeplab.export import grpc_predict, rest  # noqa: E402
from axial_deeplab.export.requests import RequestError  # noqa: E402

_MODEL = "panoptic"
_MODEL_URL = f"/v1/models/{_MODEL}"
_STATE = {
    "model_version_status": [
        {
            "version": "1",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Requests to the model of its server."""

    server: "ModelServer"
    # A client that sends nothing more does not hold a thread for ever.
    timeout = 60

    def do_GET(self) -> None:
        """State or metadata."""
        known = {
            _MODEL_URL: _STATE,
            f"{_MODEL_URL}/metadata": self.server.metadata,
        }
        if self.path in known:
            self._send(200, known[self.path])
        else:
            self._send(404, {"error": f"Nothing is at {self.path}."})

    def do_POST(self) -> None:
        """Predictions."""
        if self.path != f"{_MODEL_URL}:predict":
            self._send(404, {"error": f"Nothing is at {self.path}."})
            return
        try:
            body = self.rfile.read(self._length())
            self._send(200, rest.answer_predict(self.server.model, body))
        except RequestError as error:
            self._send(400, {"error": unwrapped(f"{error}")})

    def _length(self) -> int:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise RequestError("A request needs a Content-Length.")
        if int(length) > self.server.max_bytes:
            self.close_connection = True
            raise RequestError(
                f"A request may have {self.server.max_bytes} bytes; got "
                f"{length}."
            )
        return int(length)

    def _send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silence: there is a line a request otherwise."""


class ModelServer(http.server.ThreadingHTTPServer):
    """An HTTP server with a model; a thread a request.

    Args:
      model: a loaded export.
      port: 0 takes any that is free, see `server_port`.
      host: address to listen at.
      max_bytes: longest request.
    """

    daemon_threads = True

    def __init__(
        self,
        model: export.Export,
        port: int,
        host: str = "127.0.0.1",
        max_bytes: int = 1 << 26,
    ):
        super().__init__((host, port), Handler)
        self.model, self.max_bytes = model, max_bytes
        self.metadata = {
            "model_spec": {"name": _MODEL, "version": "1"},
            "metadata": {
                name: {
                    "inputs": _shapes(signature.structured_input_signature[1]),
                    "outputs": _shapes(signature.structured_outputs),
                }
                for name, signature in model.module.signatures.items()
            },
        }


def _shapes(specs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
        for name, spec in specs.items()
    }


@contextlib.contextmanager
def grpc_server(
    model: export.Export, address: str, max_bytes: int = 1 << 26
) -> Iterator[int]:
    """Answers gRPC meanwhile, too; gives its port.

    Args:
      model: a loaded export.
      address: host:port; port 0 takes any that is free.
      max_bytes: longest request.

    Raises:
      ImportError: a package is missing; it says which.
      OSError: the address cannot be had.
    """
    answer = functools.partial(_answer_grpc, model)
    server, port = grpc_predict.make_server(_MODEL, answer, address, max_bytes)
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=None).wait()


def _answer_grpc(model: export.Export, request: Any) -> Any:
    try:
        return grpc_predict.answer_predict(model, request)
    except RequestError as error:
        raise RequestError(unwrapped(f"{error}")) from error


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_string(
        "saved_model",
        None,
        "Folder of a model that tools/export.py wrote.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "host", "127.0.0.1", "Address to listen at.", flag_values=values
    )
    flags.DEFINE_integer(
        "port", 8501, "Port; 0: any that is free.", flag_values=values
    )
    flags.DEFINE_integer(
        "grpc_port",
        None,
        "Port of gRPC, none if not given; 0: any that is free.",
        flag_values=values,
    )


def serve(values: flags.FlagValues) -> None:
    """Serves until it is interrupted."""
    model = export.load(values.saved_model)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            ModelServer(model, values.port, values.host)
        )
        address = f"http://{values.host}:{server.server_port}{_MODEL_URL}"
        if values.grpc_port is not None:
            port = stack.enter_context(
                grpc_server(model, f"{values.host}:{values.grpc_port}")
            )
            address += f" and grpc://{values.host}:{port}/{_MODEL}"
        print(f"Serving at {address}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    run_tool(serve, define_flags)
