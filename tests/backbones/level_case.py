"""What holds for the levels of every backbone in stages."""

import tf_keras

from axial_deeplab.backbones.backbone import Backbone
from tests.models.tiny_models import assert_near, images


def check_ends(backbone: Backbone, end: type[tf_keras.layers.Layer]) -> None:
    """A level is what its last layer gives, and the next starts from it."""
    features = backbone(images(33, 40))
    for level, source in (("3", "2"), ("4", "3"), ("5", "4")):
        x = features[source]
        for layer in backbone.levels[level]:
            x = layer(x)
        assert isinstance(layer, end)
        assert_near(features[level], x, level)
