import json
import pathlib

import numpy as np
import pytest
from absl import flags
from PIL import Image

from axial_deeplab.experiments import panoptic_task, trainer
from axial_deeplab.experiments.panoptic_evaluation import summary_metrics
from axial_deeplab.export import export_saved_model
from tests.experiments import case
from tools import scale_stress_test

pytestmark = pytest.mark.usefixtures("toy_model")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Scenes, a model trained on them in two formats, and its report."""
    folder = case.write_scenes(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        case.use_toy_model(patch)
        config = case.config(folder)
        model, report = trainer.run_experiment(
            config, "train_and_eval", str(folder / "model")
        )
    spec = panoptic_task.PanopticTask(config.task).spec
    settings = panoptic_task.panoptic_settings(config.task)
    export_saved_model(model, spec, settings, folder / "saved")
    model.save(folder / "model.keras")
    return folder, report


def run(trained, output_dir, *arguments, source="--checkpoint={}/model"):
    folder = trained[0]
    values = flags.FlagValues()
    scale_stress_test.define_flags(values)
    values(
        [
            "scale_stress_test.py",
            "--experiment=axial_deeplab_shapes",
            f"--output_dir={output_dir}",
            f"--params_override={case.override(folder)}",
            *([source.format(folder)] if source else []),
            *arguments,
        ]
    )
    return scale_stress_test.stress_test(values)


def read(output_dir):
    return json.loads((output_dir / "scale_stress_test.json").read_text())


def numbers(result):
    return {k: v for k, v in result.items() if k != "seconds_per_image"}


@pytest.mark.parametrize(
    "source",
    [
        "--checkpoint={}/model",
        "--checkpoint={}/model.keras",
        "--saved_model={}/saved",
    ],
)
def test_ratio_one_is_the_evaluation_of_the_trainer(trained, tmp_path, source):
    run(trained, tmp_path / "out", "--ratios=1", source=source)
    (result,) = read(tmp_path / "out")["results"]
    expected = summary_metrics(trained[1])
    assert 0 < expected["mean_iou"] < 50
    assert result["size_px"] == [33, 33] and result["images"] == 5
    for name, value in expected.items():
        found = result[name]
        assert (found is None and np.isnan(value)) or found == value


def test_second_run_keeps_what_is_done(trained, tmp_path, capsys):
    text = run(trained, tmp_path, "--ratios=2,0.5")
    first = read(tmp_path)
    assert [one["size_px"] for one in first["results"]] == [[17] * 2, [65] * 2]
    assert numbers(first["results"][0]) != numbers(first["results"][1])
    picture = tmp_path / "scale_stress_test.png"
    assert text.endswith(f"Picture: {picture}") and len(text.split("\n")) == 5
    before = np.asarray(Image.open(picture))
    assert "ratio 0.5 (1 of 2): 17x17\nratio 2 (2" in capsys.readouterr().err
    run(trained, tmp_path, "--ratios=0.5,1,2")
    second = read(tmp_path)
    assert second["results"][::2] == first["results"]
    assert second["results"][1]["ratio"] == 1
    lines = capsys.readouterr().err.splitlines()
    assert "has 2 ratios already" in lines[0]
    assert lines[1:] == ["ratio 1 (1 of 1): 33x33"]
    assert (np.asarray(Image.open(picture)) != before).any()


def test_interrupted_run_leaves_finished_ratios(trained, tmp_path, monkeypatch):
    calls = []
    whole = scale_stress_test.evaluate_prediction

    def interrupted(*arguments, **options):
        calls.append(options["batch_size"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    monkeypatch.setattr(scale_stress_test, "evaluate_prediction", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(trained, tmp_path, "--ratios=1,2")
    assert [one["ratio"] for one in read(tmp_path)["results"]] == [1]
    run(trained, tmp_path, "--ratios=1,2")
    assert calls == [2, 1, 1]  # larger images go in smaller batches


def test_validation_steps_bound_the_images(trained, tmp_path):
    folder = pathlib.Path(trained[0])
    override = case.override(folder, "trainer.validation_steps=2")
    run(trained, tmp_path, "--ratios=1.5", f"--params_override={override}")
    assert read(tmp_path)["results"][0]["images"] == 4


@pytest.mark.parametrize(
    "source, arguments, message",
    [
        (None, [], "Either --checkpoint or --saved_model"),
        (
            "--checkpoint={}/model",
            ["--saved_model=a"],
            "Either --checkpoint or --saved_model",
        ),
        ("--checkpoint={}", [], "There is no checkpoint at "),
        ("--checkpoint=none.keras", [], "none.keras"),
        ("--saved_model={}/model", [], "is no SavedModel made by"),
        (
            "--checkpoint={}/model",
            ["--ratios=1,0"],
            "must be positive; got 1,0",
        ),
        ("--checkpoint={}/model", ["--ratios=1,x"], "must be numbers: .*'x'"),
        ("--checkpoint={}/model", ["--ratios="], "must be positive"),
        (
            "--checkpoint={}/model",
            ["--params_override=task.validation_data.crop_size_px=[33]"],
            "input_path is empty",
        ),
    ],
)
def test_mistake_is_named_and_nothing_is_left(
    trained, tmp_path, source, arguments, message
):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(trained, tmp_path / "out", *arguments, source=source)
    assert not list(tmp_path.iterdir())


def test_table_of_another_model_is_kept(trained, tmp_path):
    run(trained, tmp_path, "--ratios=1")
    before = read(tmp_path)
    with pytest.raises(ValueError, match="measured with another model; choose"):
        run(trained, tmp_path, source="--checkpoint={}/model/ckpt-1")
    assert read(tmp_path) == before


def test_saved_model_of_another_data_set_is_named(trained, tmp_path):
    with pytest.raises(ValueError, match="data set shapes, the experiment of "):
        run(
            trained,
            tmp_path,
            "--experiment=axial_deeplab_s_coco",
            source="--saved_model={}/saved",
        )
