import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.export import ExportOptions, PanopticPredictor
from axial_deeplab.export.lite import convert_to_lite
from tests.export.toy import TOY_SETTINGS, ToyPanopticModel
from tests.models.tiny_models import settle, tiny_panoptic

_OPTIONS = ExportOptions(with_probabilities=True)


def _assert_agrees(model, size_px):
    content = convert_to_lite(model, TOY_SETTINGS, size_px, _OPTIONS)
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (1, *size_px, 3)).astype(np.uint8)
    interpreter = tf.lite.Interpreter(model_content=content)
    found = interpreter.get_signature_runner()(images=images)
    live = PanopticPredictor(model, TOY_SETTINGS, _OPTIONS).predict(images)
    assert set(found) == set(live)
    for name in ("semantic_probabilities", "instance_score"):
        np.testing.assert_allclose(found[name], live[name], atol=1e-3)
    for name in ("panoptic", "semantic", "instance"):
        # Where two classes tie, another order of sums may decide.
        assert np.mean(found[name] == live[name]) > 0.99, name
    assert len(np.unique(found["panoptic"])) > 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_prediction_and_post_processing_convert():
    _assert_agrees(ToyPanopticModel(), (12, 15))


@pytest.mark.large
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_attention_converts_too():
    _assert_agrees(settle(tiny_panoptic(num_classes=3)), (33, 41))
