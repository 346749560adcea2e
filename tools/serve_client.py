r"""Asks a server what is in pictures: tools/serve.py or TensorFlow Serving.

python tools/serve_client.py --images=photographs \
    --url=http://localhost:8501/v1/models/panoptic
python tools/serve_client.py --images=photographs \
    --url=grpc://localhost:8500/panoptic

Sends JPEG and PNG files as they are to the signature "encoded", and prints a
line an instance: file, class, score. gRPC needs the package
tensorflow-serving-api.
"""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab.command_line import run_tool  # noqa: E402
from axial_deeplab.data.photographs import find_images  # noqa: E402
from axial_deeplab.export import grpc_predict  # noqa: E402
from axial_deeplab.export.rest import predict_request  # noqa: E402


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_string(
        "images",
        None,
        "Folder, file or quoted pattern of JPEG and PNG files.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "url",
        "http://localhost:8501/v1/models/panoptic",
        "Address of the model: http://HOST:PORT/v1/models/NAME, or "
        "grpc://HOST:PORT/NAME.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "lowest_score", 0.3, "Do not print less.", flag_values=values
    )


def ask(url: str, contents: list[bytes]) -> list[dict[str, Any]]:
    """What the model at an address says of each image.

    Raises:
      ImportError: gRPC needs a package that is not there; it says which.
      OSError: there is no server, or it refuses; with its words.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "grpc":
        name = parts.path.strip("/") or "panoptic"
        return grpc_predict.ask(parts.netloc, name, contents)
    request = urllib.request.Request(
        f"{url}:predict",
        predict_request(contents),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())["predictions"]
    except urllib.error.HTTPError as error:
        words = json.loads(error.read()).get("error", error.reason)
        raise OSError(f"{url} answers {error.code}: {words}") from error
    except urllib.error.URLError as error:
        raise OSError(f"{url} does not answer: {error.reason}") from error


def client(values: flags.FlagValues) -> str:
    """Asks for each file; returns the lines."""
    lines = []
    for path in find_images(values.images):
        (found,) = ask(values.url, [path.read_bytes()])
        if "instance_classes" not in found:
            raise ValueError(
                f"The model at {values.url} finds no instances; it returns "
                f"{', '.join(sorted(found))}."
            )
        for label, score in zip(
            found["instance_classes"], found["instance_scores"], strict=True
        ):
            if label >= 0 and score >= values.lowest_score:
                lines.append(f"{path.name}  class {label}  {score:.3f}")
    return "\n".join(lines) or "No instance was found."


if __name__ == "__main__":
    run_tool(client, define_flags)
