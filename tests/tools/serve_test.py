import json
import sys
import threading
import urllib.error
import urllib.request

import pytest
from absl import flags

from axial_deeplab import export
from tests.tools import predict_case
from tools import serve, serve_client


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve") / "model"
    _, saved_model = predict_case.export_toy(folder)
    model = export.load(saved_model)
    with serve.ModelServer(model, port=0, max_bytes=5000) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_port}/v1/models/panoptic"


def _get(url):
    with urllib.request.urlopen(url) as answer:
        return json.loads(answer.read())


def test_client_prints_what_the_model_finds(server, url, tmp_path):
    folder = predict_case.photographs(tmp_path / "photographs")
    values = flags.FlagValues()
    serve_client.define_flags(values)
    values(["client", f"--images={folder}", f"--url={url}", "--lowest_score=0"])
    lines = serve_client.client(values).splitlines()
    expected = []
    for path in sorted(folder.glob("[0-9b-e]*.*")):
        found = server.model.predict_encoded([path.read_bytes()])
        for label, score in zip(
            found["instance_classes"][0].numpy(),
            found["instance_scores"][0].numpy(),
            strict=True,
        ):
            if label >= 0:
                expected.append(f"{path.name}  class {label}  {score:.3f}")
    assert lines == expected and len(lines) > 3


def test_state_and_metadata(url):
    (status,) = _get(url)["model_version_status"]
    assert status["state"] == "AVAILABLE"
    metadata = _get(f"{url}/metadata")["metadata"]
    assert metadata["encoded"]["inputs"] == {
        "image_bytes": {"dtype": "string", "shape": [None]}
    }
    panoptic = metadata["serving_default"]["outputs"]["panoptic"]
    assert panoptic["dtype"] == "int32"


def test_refused_requests_leave_the_server_alive(url):
    with pytest.raises(OSError, match="answers 400: .*bytes of a JPEG or PNG"):
        serve_client.ask(url, [b"no picture"])
    with pytest.raises(OSError, match="may have 5000 bytes"):
        serve_client.ask(url, [bytes(9000)])
    with pytest.raises(OSError, match="answers 404: Nothing is at"):
        serve_client.ask(f"{url}x", [b""])
    with pytest.raises(urllib.error.HTTPError):
        _get(f"{url}/labels")
    assert _get(url)


@pytest.fixture
def grpc_url(server):
    """The same model by gRPC."""
    pytest.importorskip("tensorflow_serving")
    with serve.grpc_server(server.model, "127.0.0.1:0", 5000) as port:
        yield f"grpc://127.0.0.1:{port}/panoptic"


def test_grpc_answers_as_http_does(url, grpc_url, tmp_path):
    folder = predict_case.photographs(tmp_path / "photographs")
    contents = [
        (folder / name).read_bytes() for name in ("000000000042.jpg", "d.JPEG")
    ]
    # As JSON: it has lists for arrays.
    found = json.loads(json.dumps(serve_client.ask(grpc_url, contents)))
    assert found == serve_client.ask(url, contents) and len(found) == 2


def test_refusals_by_grpc_leave_the_server_alive(grpc_url):
    words = "answers INVALID_ARGUMENT: .*bytes of a JPEG or PNG"
    with pytest.raises(OSError, match=words) as refusal:
        serve_client.ask(grpc_url, [b"no picture"])
    assert "function_node" not in f"{refusal.value}"
    with pytest.raises(OSError, match="answers RESOURCE_EXHAUSTED: .*5000"):
        serve_client.ask(grpc_url, [bytes(9000)])
    with pytest.raises(OSError, match="NOT_FOUND: There is no model 'other'"):
        serve_client.ask(grpc_url.replace("panoptic", "other"), [b""])
    with pytest.raises(OSError, match="INVALID_ARGUMENT"):
        serve_client.ask(grpc_url, [b""])


@pytest.mark.parametrize(
    "wanted", [{"version": {"value": 7}}, {"version_label": "stable"}]
)
def test_other_versions_are_not_there(grpc_url, wanted):
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    grpc = pytest.importorskip("grpc")
    spec = {"name": "panoptic"}
    request = predict_pb2.PredictRequest(model_spec=spec | wanted)
    with grpc.insecure_channel(grpc_url.split("/")[2]) as channel:
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            predict_pb2.PredictRequest.SerializeToString,
            predict_pb2.PredictResponse.FromString,
        )
        with pytest.raises(grpc.RpcError, match="has version 1"):
            predict(request)
        first = spec | {"version": {"value": 1}}
        with pytest.raises(grpc.RpcError, match="inputs of .*got nothing"):
            predict(predict_pb2.PredictRequest(model_spec=first))


def test_model_without_instances_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(serve_client, "ask", lambda *_: [{"semantic": [[1]]}])
    folder = predict_case.photographs(tmp_path / "photographs")
    values = flags.FlagValues()
    serve_client.define_flags(values)
    values(["client", f"--images={folder}"])
    with pytest.raises(ValueError, match="no instances; it returns semantic"):
        serve_client.client(values)


def test_taken_port_of_grpc_is_named(server, grpc_url):
    address = grpc_url.split("/")[2]
    with pytest.raises(OSError, match=f"can listen at {address}"):
        with serve.grpc_server(server.model, address):
            pass


def test_no_server_is_named():
    with pytest.raises(OSError, match="127.0.0.1:9/none does not answer"):
        serve_client.ask("http://127.0.0.1:9/none", [b""])


def test_no_server_of_grpc_is_named():
    pytest.importorskip("tensorflow_serving")
    with pytest.raises(OSError, match="127.0.0.1:9 answers UNAVAILABLE"):
        serve_client.ask("grpc://127.0.0.1:9", [b""])


def test_missing_package_of_grpc_is_named(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    words = "pip install 'tensorflow-serving-api"
    with pytest.raises(ImportError, match=words):
        serve_client.ask("grpc://127.0.0.1:9", [b""])
    with pytest.raises(ImportError, match=words):
        with serve.grpc_server(server.model, "127.0.0.1:0"):
            pass
