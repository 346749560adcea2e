"""SavedModels of semantic models, and prediction with them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from axial_deeplab import keys
from axial_deeplab.export import (
    ExportOptions,
    export_saved_model,
    load,
)
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.models.sliding_windows import SlidingWindows
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel

_OPTIONS = ExportOptions(
    with_probabilities=True,
    multi_scale=MultiScale((0.5, 1.0), flip=True),
    windows_px=(12, 8),
)


@pytest.fixture(scope="module")
def model():
    return ToyPanopticModel()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "semantic"
    export_saved_model(model, TOY_DATASET, None, folder, _OPTIONS)
    return load(folder)


def _pixels(height, width):
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def _expected(model, pixels):
    """Probabilities [H, W, K] by the parts that an export is made of."""
    windows = SlidingWindows(3, *_OPTIONS.windows_px)
    run = windows.around(lambda x: model(tf.convert_to_tensor(x)))
    images = tf.constant(pixels[None], tf.float32)
    outputs = _OPTIONS.multi_scale.predict(run, images)
    return outputs[keys.SEMANTIC_PROBABILITIES][0].numpy()


@pytest.mark.parametrize("size", [(20, 31), (9, 9), (1, 17)])
def test_export_averages_windows_scales_and_mirror_images(
    model, exported, size
):
    pixels = _pixels(*size)
    found = exported.predict(tf.constant(pixels[None]))
    assert set(found) == {keys.SEMANTIC, keys.SEMANTIC_PROBABILITIES}
    expected = _expected(model, pixels)
    np.testing.assert_allclose(
        found[keys.SEMANTIC_PROBABILITIES][0], expected, atol=1e-5
    )
    best = np.take_along_axis(
        expected, found[keys.SEMANTIC].numpy()[0][..., None], -1
    )
    np.testing.assert_allclose(best[..., 0], expected.max(-1), atol=1e-5)


def test_encoded_images_are_padded_with_void(exported):
    contents = []
    for size in ((9, 14), (5, 20)):
        file = io.BytesIO()
        Image.fromarray(_pixels(*size)).save(file, "PNG")
        contents.append(file.getvalue())
    found = exported.predict_encoded(contents)
    assert found[keys.HEIGHT].numpy().tolist() == [9, 5]
    classes = found[keys.SEMANTIC].numpy()
    assert classes.shape == (2, 9, 20)
    assert (classes[0, :, 14:] == 255).all()
    assert (classes[1, 5:] == 255).all()
    alone = exported.predict(tf.constant(_pixels(9, 14)[None]))
    np.testing.assert_array_equal(
        classes[0, :, :14], alone[keys.SEMANTIC].numpy()[0]
    )


def test_export_describes_itself(exported):
    assert exported.metadata.postprocess is None
    assert exported.metadata.dataset == TOY_DATASET
    for words in (
        "Semantic segmentation",
        "windows of 12 pixels, 8 apart",
        '"semantic_probabilities" is a map [B, H, W, 3]',
    ):
        assert words in exported.card
    assert "instance" not in exported.card


def test_options_that_do_not_fit_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="for semantic models"):
        export_saved_model(
            *(model, TOY_DATASET, TOY_SETTINGS, tmp_path / "a", _OPTIONS)
        )
    with pytest.raises(ValueError, match="must touch"):
        ExportOptions(windows_px=(4, 5))
