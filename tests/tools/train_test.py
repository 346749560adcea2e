import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags

from axial_deeplab.experiments import summaries, trainer
from tests.experiments import case
from tools import train

pytestmark = pytest.mark.usefixtures("toy_model")

PROJECT = pathlib.Path(__file__).resolve().parents[2]
EXPERIMENT = "axial_deeplab_shapes"


def flag_values(*arguments):
    values = flags.FlagValues()
    train.define_flags(values)
    values(["train.py", *arguments])
    return values


def run(scenes, model_dir, *arguments):
    defaults = (
        f"--experiment={EXPERIMENT}",
        f"--params_override={case.override(scenes)}",
        f"--model_dir={model_dir}",
    )
    return train.train(flag_values(*defaults, *arguments))


def run_program(*arguments):
    return subprocess.run(
        [sys.executable, str(PROJECT / "tools" / "train.py"), *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_result_is_a_table_and_the_curves(scenes, tmp_path):
    text = run(scenes, tmp_path / "run")
    assert [line.split()[0] for line in text.splitlines()[1:5]] == [
        "All",
        "Things",
        "Stuff",
        "mIoU",
    ]
    curves = tmp_path / "run" / summaries.CURVES_FILE
    assert text.endswith(f"Training curves: {curves}") and curves.is_file()


def test_training_alone_names_the_curves_only(scenes, tmp_path):
    text = run(scenes, tmp_path, "--mode=train")
    assert text == f"Training curves: {tmp_path / summaries.CURVES_FILE}"
    assert not (tmp_path / "evaluation.json").exists()


def test_files_and_overrides_start_the_same_run_again(scenes, tmp_path):
    run(scenes, tmp_path / "first", "--mode=train")
    params = (tmp_path / "first" / "params.yaml").read_text()
    steps = tmp_path / "steps.yaml"
    steps.write_text("trainer: {train_steps: 9}\n")
    values = flag_values(
        f"--experiment={EXPERIMENT}",
        f"--config_file={tmp_path}/first/params.yaml",
        f"--config_file={steps}",
        "--params_override=trainer.train_steps=2",
        f"--model_dir={tmp_path}/second",
        "--mode=train",
    )
    train.train(values)
    assert (tmp_path / "second" / "params.yaml").read_text() == params
    assert (tmp_path / "second" / "ckpt-2.index").exists()


def test_scales_and_flip_are_options_of_the_run(scenes, tmp_path, monkeypatch):
    configs = []

    def note(config, mode, model_dir):
        configs.append(config)
        return None, None

    monkeypatch.setattr(trainer, "run_experiment", note)
    run(scenes, tmp_path, "--mode=eval", "--scales=0.5,1", "--flip")
    run(scenes, tmp_path, "--mode=eval")
    assert [one.task.multi_scale.as_dict() for one in configs] == [
        {"scales": [0.5, 1.0], "flip": True},
        {"scales": [1.0], "flip": False},
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--scales=0.5,large"], "--scales must be numbers, .*; got 0.5,large"),
        (["--scales=0"], "`scales` must be positive numbers"),
        (["--experiment=shapes"], "Unknown experiment 'shapes'"),
        (["--params_override=task.colour=1"], "task.colour: unknown option"),
        (
            ["--params_override=trainer.train_steps=few"],
            "trainer.train_steps: expected int, got 'few'",
        ),
        (["--config_file=none.yaml"], "no configuration file none.yaml"),
        (["--mode=eval"], "no checkpoint at "),
    ],
)
def test_mistake_is_named_and_nothing_is_left(
    scenes, tmp_path, arguments, message
):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(scenes, tmp_path / "run", *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "task: {model: {widht: 1}}",
            "options.yaml: task.model.widht: unknown opt",
        ),
        ("task: {model: [}", "options.yaml is malformed: line 1"),
    ],
)
def test_mistake_in_a_file_is_named(scenes, tmp_path, text, message):
    path = tmp_path / "options.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        run(scenes, tmp_path / "run", f"--config_file={path}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["options.yaml"]


def test_all_experiments_are_listed():
    lines = train.train(flag_values("--list_experiments")).splitlines()
    assert lines[0].split("  ")[0] == "experiment"
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    files = ["configs/shapes/axial_deeplab_xs.yaml"]
    assert rows[EXPERIMENT] == ["axial_deeplab_xs", "shapes", *files]
    rest = ["axial_resnet_xs", "digits", "configs/digits/axial_resnet_xs.yaml"]
    assert rows["digits_axial_resnet_xs"] == rest
    assert rows["segnext_shapes"][:2] == ["segnext_t", "shapes"]
    named = {path for row in rows.values() for path in "".join(row).split(",")}
    for path in (PROJECT / "configs").rglob("*.yaml"):
        relative = path.relative_to(PROJECT).as_posix()
        assert any(relative in text for text in named), path


@pytest.mark.parametrize(
    "given", ["--experiment=x", "--model_dir=y", "--nolist_experiments"]
)
def test_a_run_needs_an_experiment_and_a_folder(given):
    with pytest.raises(flags.IllegalFlagValueError, match="which experiment"):
        flag_values(given)


def test_program_refuses_in_one_line(tmp_path):
    done = run_program(
        f"--experiment={EXPERIMENT}",
        f"--model_dir={tmp_path}/run",
        "--params_override=task.train_data.input_path=none*",
    )
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "train.py: No file matches 'none*'.\n"
    assert not list(tmp_path.iterdir())
