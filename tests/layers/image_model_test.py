import pytest

from axial_deeplab.models.image_classifier import ImageClassifier
from tests.models.tiny_models import images, tiny_backbone, tiny_panoptic

MODELS = {
    "backbone": tiny_backbone,
    "classifier": lambda: ImageClassifier(tiny_backbone(), 7),
    "panoptic": tiny_panoptic,
}


@pytest.mark.parametrize("name", MODELS)
def test_build_creates_every_weight_before_any_call(name):
    built, called = MODELS[name](), MODELS[name]()
    built.build((None, None, None, 3))
    called(images(9, 12))
    assert built.built and called.built
    shapes = [[w.shape for w in m.weights] for m in (built, called)]
    assert len(shapes[0]) > 200
    assert shapes[0] == shapes[1]
    count = len(built.weights)
    built(images(9, 12))
    assert len(built.weights) == count


@pytest.mark.parametrize("name", MODELS)
def test_keras_saves_it_for_any_size(name):
    model = MODELS[name]()
    model(images(9, 12))
    (spec,), _ = model.save_spec()
    assert spec.shape.as_list() == [None, None, None, 3]
