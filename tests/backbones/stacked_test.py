import numpy as np
import pytest

from axial_deeplab import create_model
from axial_deeplab.models.presets import zero_weights


def test_the_published_row_has_its_count():
    """Counted in the public implementation: trainable, and all."""
    with zero_weights():
        model = create_model("max_deeplab_l_stacked_backbone")
    counts = [
        sum(int(np.prod(weight.shape)) for weight in weights)
        for weights in (model.trainable_weights, model.weights)
    ]
    assert counts == [175_115_392, 175_361_600]
    assert len(model.weights) == 462


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match="must be 16; got 32"):
        create_model("max_deeplab_l_stacked_backbone", output_stride=32)
