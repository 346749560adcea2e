import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import create_model, keys
from axial_deeplab.decoders.mlp_decoder import MLPDecoder
from axial_deeplab.layers.criss_cross import CrissCrossContext
from axial_deeplab.layers.expectation_maximization import (
    ExpectationMaximizationContext,
)
from axial_deeplab.layers.hamburger import Hamburger
from axial_deeplab.layers.image_model import ImageModel
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.scale_attention import (
    LARGE_KERNEL,
    MultiScaleConvAttention,
    ScaleAttentionUnit,
)
from axial_deeplab.losses import MeanSemanticLoss
from axial_deeplab.models.heads import SemanticHead
from tests.models.tiny_models import SIZES, images, settle, tiny_semantic


@pytest.fixture(scope="module")
def model():
    return settle(tiny_semantic())


def test_logits_have_the_size_of_the_images(model):
    for size in SIZES:
        outputs = model(images(*size))
        assert list(outputs) == [keys.SEMANTIC_LOGITS]
        logits = outputs[keys.SEMANTIC_LOGITS]
        assert logits.shape == (2, *size, 5) and logits.dtype == tf.float32


def test_they_are_the_resized_output_of_the_head(model):
    x = images(32, 48)
    coarse = model.head(model.decoder(model.backbone(x)))
    assert coarse.shape == (2, 4, 6, 5)
    expected = tf.image.resize(coarse, (32, 48), "bilinear")
    actual = model(x)[keys.SEMANTIC_LOGITS]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_inference_is_repeatable(model):
    one, other = (model(images(32, 32))[keys.SEMANTIC_LOGITS] for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_checkpoints_can_take_parts(model):
    assert model.checkpoint_items == {
        "backbone": model.backbone,
        "decoder": model.decoder,
    }


def test_the_head_drops_whole_channels():
    head = SemanticHead(3, dropout=0.5)
    x = tf.ones([4, 5, 5, 64])
    head(x)
    y = head.drop(x, training=True).numpy()
    assert set(np.unique(y)) == {0.0, 2.0}
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    kernel, bias = (weight.numpy() for weight in head.project.weights)
    np.testing.assert_allclose(head(x), x @ kernel[0, 0] + bias, rtol=1e-4)
    assert np.std(kernel) == pytest.approx(0.01, rel=0.2)


def test_it_trains_by_fit():
    """One batch of two colours is learned."""
    tf_keras.utils.set_random_seed(1)
    model = tiny_semantic()
    model.compile(
        tf_keras.optimizers.Adam(1e-2),
        loss={keys.SEMANTIC_LOGITS: MeanSemanticLoss()},
        run_eagerly=True,  # a graph takes longer to trace
    )
    pixels = np.zeros((4, 32, 32, 3), np.uint8)
    pixels[:, :, 16:] = 255
    labels = np.int32(pixels[..., 0] > 0)
    batch = (
        pixels,
        {keys.SEMANTIC_LOGITS: labels},
        {keys.SEMANTIC_LOGITS: np.ones(labels.shape, np.float32)},
    )
    dataset = tf.data.Dataset.from_tensors(batch).repeat(6)
    losses = model.fit(dataset, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.fixture
def unbuilt(monkeypatch):
    monkeypatch.setattr(ImageModel, "build", lambda self, input_shape: None)


def _parts(model, kind):
    return [part for part in model.submodules if isinstance(part, kind)]


def test_every_option_of_a_semantic_model_acts(unbuilt):
    model = create_model(
        "segnext_t",
        num_classes=7,
        scales=LARGE_KERNEL,
        drop_path=0.2,
        levels=("5",),
        draw="always",
        recompute=True,
    )
    assert model.head.channels == 7
    attention = _parts(model, MultiScaleConvAttention)
    assert {part.options for part in attention} == {LARGE_KERNEL}
    last = model.backbone.levels["5"][-2]
    assert last.drop_path == pytest.approx(0.2) and last.recompute
    assert model.decoder.levels == ("5",)
    options = model.decoder.context.options
    assert (options.rank, options.draw) == (16, "always")


def test_rows_differ_in_rank_and_width(unbuilt):
    for name, filters, rank in (
        ("segnext_s", 256, 16),
        ("segnext_b", 512, 64),
        ("segnext_l", 1024, 64),
    ):
        decoder = create_model(name).decoder
        assert decoder.filters == filters
        assert decoder.context.options.rank == rank


def test_the_context_of_the_decoder_has_a_name(unbuilt):
    for name, kind in (
        ("scale_attention", ScaleAttentionUnit),
        ("non_local", NonLocalBlock),
        ("criss_cross", CrissCrossContext),
        ("expectation_maximization", ExpectationMaximizationContext),
    ):
        model = create_model("segnext_t", decoder=name)
        assert isinstance(model.decoder.context, kind)
        assert not _parts(model, Hamburger)
    with pytest.raises(ValueError, match="hamburger.*mlp; got 'fpn'"):
        create_model("segnext_t", decoder="fpn")


def test_the_mlp_decoder_reads_all_levels(unbuilt):
    decoder = create_model("segnext_b", decoder="mlp").decoder
    assert isinstance(decoder, MLPDecoder)
    assert decoder.levels == ("2", "3", "4", "5") and decoder.filters == 256


@pytest.mark.parametrize("name", ["segnext_t", "mscan_t", "mscan_t_backbone"])
def test_options_of_other_families_are_unknown(name):
    with pytest.raises(ValueError, match="output_stride"):
        create_model(name, output_stride=16)
