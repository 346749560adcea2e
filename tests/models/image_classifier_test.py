import itertools

import numpy as np

from axial_deeplab.models.image_classifier import ImageClassifier
from tests.models.tiny_models import SIZES, images, settle, tiny_backbone


def test_logits_are_a_dense_layer_on_the_mean_of_the_last_level():
    model = settle(ImageClassifier(tiny_backbone(32), 7))
    kernel, bias = (weight.numpy() for weight in model.classify.weights)
    for size, training in itertools.product(SIZES, (False, True)):
        features = model.backbone(images(*size), training=training)["5"]
        mean = np.asarray(features, np.float64).mean(axis=(1, 2))
        np.testing.assert_allclose(
            model(images(*size), training=training),
            mean @ kernel + bias,
            rtol=1e-4,
            atol=1e-4,
        )


def test_checkpoints_can_take_the_backbone_alone():
    model = ImageClassifier(tiny_backbone(32), 7)
    assert model.checkpoint_items == {"backbone": model.backbone}
