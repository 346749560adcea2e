import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from PIL import Image

from axial_deeplab.experiments import trainer
from tests.experiments import case
from tests.models import tiny_models
from tools import visualize_attention

pytestmark = pytest.mark.usefixtures("tiny_axial_deeplab")

EXPERIMENT = "--experiment=axial_deeplab_shapes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A photograph, and a saved model."""
    folder = tmp_path_factory.mktemp("attention")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 61, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "photograph.png")
    backbone = tiny_models.tiny_backbone(axial_from=8)
    tiny_models.settle(backbone).save(folder / "tiny.keras")
    (folder / "broken.keras").write_text("no model")
    return folder


def run(folder, output_file, *arguments):
    values = flags.FlagValues()
    visualize_attention.define_flags(values)
    values(
        [
            "visualize_attention.py",
            f"--image={folder}/photograph.png",
            *([f"--output_file={output_file}"] if output_file else []),
            *arguments,
        ]
    )
    return visualize_attention.draw(values)


def pixels(path):
    return np.asarray(Image.open(path))


def test_picture_depends_on_the_arguments(folder, tmp_path):
    """The model of a .keras file, drawn twice."""
    model = f"--checkpoint={folder}/tiny.keras"
    first, second = tmp_path / "1.png", tmp_path / "2.png"
    text = run(folder, first, model)
    assert text == f"Wrote {first}: block res5_block0, row 20, column 30"
    text = run(folder, second, model, "--block=res4_block0", "--row=39")
    assert text == f"Wrote {second}: block res4_block0, row 39, column 30"
    # Below the title, which differs anyhow.
    assert (pixels(first)[150:] != pixels(second)[150:]).any()


def test_random_weights_are_announced(folder, tmp_path, capsys):
    run(folder, tmp_path / "a.png", EXPERIMENT)
    assert "no --checkpoint: the weights are random" in capsys.readouterr().err
    assert (tmp_path / "a.png").is_file()


def test_checkpoint_of_the_trainer_is_restored(folder, tmp_path, capsys):
    model = trainer.build_model(case.config(tmp_path))
    tiny_models.settle(model)
    prefix = tf.train.Checkpoint(model=model).write(str(tmp_path / "ckpt-3"))
    run(folder, tmp_path / "a.png", EXPERIMENT, f"--checkpoint={prefix}")
    assert "random" not in capsys.readouterr().err
    attention = visualize_attention.BlockAttention(model)
    maps = attention.maps(pixels(folder / "photograph.png"), 20, 30)
    expected = visualize_attention.visualization_attention.attention_picture(
        pixels(folder / "photograph.png"),
        maps,
        "axial_deeplab_shapes (ckpt-3)",
    )
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), expected)


def test_folder_of_images_becomes_small_pictures(folder, tmp_path):
    """Each as large as its image, with weights that depend on it."""
    images = tmp_path / "images"
    images.mkdir()
    for name, grey in (("a", 50), ("b", 200)):
        Image.new("L", (61, 40), grey).save(images / f"{name}.png")
    output = tmp_path / "attention"
    model = f"--checkpoint={folder}/tiny.keras"
    text = run(
        folder, None, model, f"--image={images}", f"--output_dir={output}"
    )
    assert text == f"Wrote 2 pictures to {output}: block res5_block0"
    first, second = pixels(output / "a.png"), pixels(output / "b.png")
    assert first.shape == second.shape == (40, 61, 3)
    assert (first != second).any()


def test_large_image_is_shrunk(folder):
    path = str(folder / "photograph.png")
    assert visualize_attention.read_image(path, 61).shape == (40, 61, 3)
    assert visualize_attention.read_image(path, 30).shape == (20, 30, 3)
    np.testing.assert_array_equal(
        visualize_attention.read_image(path), pixels(path)
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--experiment must say which model"),
        (["--output_dir=a"], "either --output_file or --output_dir"),
        (["--image=none.png", EXPERIMENT], "none.png"),
        (["--checkpoint=none.keras"], "no file none.keras"),
        (["--checkpoint={}/broken.keras"], "broken.keras cannot be loaded: "),
        (["--checkpoint={}", EXPERIMENT], "no checkpoint at "),
        (["--output_file={}/a/b.png"], "--output_file: no folder for "),
        (
            ["--checkpoint={}/tiny.keras", "--block=res5_block1"],
            "no block 'res5_block1'; it has res4_block0, ",
        ),
        (
            ["--checkpoint={}/tiny.keras", "--column=61"],
            "column must be 0 to 60; got 61",
        ),
    ],
)
def test_mistake_is_named_and_nothing_is_written(
    folder, tmp_path, arguments, message
):
    arguments = [one.format(folder) for one in arguments]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(folder, tmp_path / "a.png", *arguments)
    assert not list(tmp_path.iterdir())
