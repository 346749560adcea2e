"""An export under the requests that servers get."""

import concurrent.futures
import gc
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.export import ExportOptions, export_saved_model, load
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel

MAPS = ("panoptic", "semantic", "instance", "instance_score")
LISTS = ("instance_ids", "instance_classes", "instance_scores")
MAX_PIXELS = 4000


class CountingModel(ToyPanopticModel):
    """Notes how often it is traced."""

    def call(self, images, training=False):
        self.traced = getattr(self, "traced", 0) + (not tf.executing_eagerly())
        return super().call(images, training)


@pytest.fixture(scope="module")
def model():
    return CountingModel()


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving") / "model"
    options = ExportOptions(with_probabilities=True, max_pixels=MAX_PIXELS)
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder, options)
    return load(folder)


def _image(height, width):
    rng = np.random.default_rng(100 * height + width)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def _png(height, width):
    return tf.io.encode_png(_image(height, width)).numpy()


def test_all_functions_share_one_trace_of_the_model(model, served):
    assert model.traced == 1
    graph = served.module.signatures["serving_default"].graph
    before = len(graph.get_operations())
    for size in ((2, 9, 8), (1, 20, 31), (3, 1, 7)):
        images = np.zeros((*size, 3), np.uint8)
        assert served.predict(images)["panoptic"].shape == size
    assert len(graph.get_operations()) == before and model.traced == 1


def test_encoded_images_of_several_sizes(served):
    sizes = [(9, 14), (12, 5), (7, 7)]
    found = served.predict_encoded([_png(*size) for size in sizes])
    np.testing.assert_array_equal(found["height"], [9, 12, 7])
    np.testing.assert_array_equal(found["width"], [14, 5, 7])
    assert set(found) == {
        *MAPS,
        *LISTS,
        "semantic_probabilities",
        "height",
        "width",
    }
    for index, (height, width) in enumerate(sizes):
        alone = served.predict(_image(height, width)[None])
        for name in (*MAPS, "semantic_probabilities"):
            padded = found[name][index].numpy()
            assert padded.shape[:2] == (12, 14)
            np.testing.assert_array_equal(
                padded[:height, :width], alone[name][0], name
            )
            nothing = {"panoptic": TOY_SETTINGS.void_id, "semantic": 255}
            padded[:height, :width] = nothing.get(name, 0)
            assert (padded == nothing.get(name, 0)).all(), name
        for name in LISTS:
            np.testing.assert_array_equal(found[name][index], alone[name][0])


def _call(served, signature, **inputs):
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    return served.module.signatures[signature](**inputs)


BAD_REQUESTS = {
    "one pixel": (
        *("serving_default", {"images": np.zeros((1, 1, 1, 3), np.uint8)}),
        "need 2 pixels or more",
    ),
    "no pixels": (
        *("serving_default", {"images": np.zeros((1, 0, 5, 3), np.uint8)}),
        "need 2 pixels or more",
    ),
    "four channels": (
        *("serving_default", {"images": np.zeros((1, 9, 9, 4), np.uint8)}),
        "must have 3 channels",
    ),
    "too large": (
        *("serving_default", {"images": np.zeros((1, 99, 99, 3), np.uint8)}),
        f"may have {MAX_PIXELS} pixels",
    ),
    "NaN": (
        *("heads", {"images": np.full((1, 9, 9, 3), np.nan, np.float32)}),
        "NaN or infinity",
    ),
    "cut JPEG": (
        "encoded",
        {"image_bytes": [tf.io.encode_jpeg(_image(40, 40)).numpy()[:-300]]},
        ".",
    ),
    "no bytes": ("encoded", {"image_bytes": [b""]}, "bytes of a JPEG or PNG"),
    "one bad of two": (
        *("encoded", {"image_bytes": [_png(9, 9), b"text"]}),
        "bytes of a JPEG or PNG",
    ),
    "encoded pixel": (
        *("encoded", {"image_bytes": [_png(1, 1)]}),
        "need 2 pixels or more",
    ),
    "no image": (
        *("encoded", {"image_bytes": np.array([], np.bytes_)}),
        "one image or more",
    ),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_request_is_an_invalid_argument(served, name):
    signature, inputs, words = BAD_REQUESTS[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        _call(served, signature, **inputs)


def _resident_mb():
    gc.collect()
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _serve_mixed(served, count):
    """Number of good and bad answers to requests from four threads."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(2, 60, (count, 2))
    bad = list(BAD_REQUESTS.values())

    def request(index):
        height, width = (int(side) for side in sizes[index])
        if index % 3 == 0:
            signature, inputs, _ = bad[index // 3 % len(bad)]
            with pytest.raises(tf.errors.InvalidArgumentError):
                _call(served, signature, **inputs)
            return "bad"
        if index % 3 == 1:
            found = _call(
                served, "serving_default", images=_image(height, width)[None]
            )
        else:
            content = [_png(height, width)]
            found = _call(served, "encoded", image_bytes=content)
        assert found["panoptic"].shape == (1, height, width)
        return "good"

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(request, range(count)))
    return answers.count("good"), answers.count("bad")


def test_no_request_of_several_threads_is_lost(served):
    assert _serve_mixed(served, 60) == (40, 20)


@pytest.mark.large
def test_a_thousand_requests_leave_no_memory_behind(served):
    for _ in range(3):  # until the allocators have what they want
        _serve_mixed(served, 300)
    before = _resident_mb()
    assert _serve_mixed(served, 1000) == (666, 334)
    grown = _resident_mb() - before
    assert grown < 20, f"{before:.0f} MB grew by {grown:.1f} MB"
