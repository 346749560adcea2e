"""tools/quickstart.sh: the orders it gives, read by the real tools."""

import fnmatch
import pathlib
import re
import shutil

import pytest
from absl import flags

from axial_deeplab.data.shards import shard_names
from axial_deeplab.experiments.experiment_flags import config_from_flags
from tests.tools.script_case import (
    assert_one_line,
    run,
    script_project,
    tools_started,
)
from tools import (
    convert_dataset,
    evaluate,
    export,
    predict,
    train,
    visualize_attention,
)

MODULES = {
    "convert_dataset": convert_dataset,
    "train": train,
    "export": export,
    "predict": predict,
    "visualize_attention": visualize_attention,
    "evaluate": evaluate,
}


@pytest.fixture
def project(tmp_path):
    return script_project(tmp_path)


def _parsed(name, arguments):
    """The flags as the tool itself reads them."""
    values = flags.FlagValues()
    MODULES[name].define_flags(values)
    rest = values([name, *arguments])
    assert rest == [name]
    return values


def test_quickstart_gives_the_tools_what_they_take(project):
    done = run(project, "tools/quickstart.sh")
    assert done.returncode == 0, done.stderr
    steps = dict(tools_started(done))
    assert list(steps) == list(MODULES)
    values = {name: _parsed(name, steps[name]) for name in steps}
    converted, trained = values["convert_dataset"], values["train"]
    assert (converted.train_scenes, converted.val_scenes) == (2000, 200)
    config = config_from_flags(trained)
    for split, data in (
        ("train", config.task.train_data),
        ("val", config.task.validation_data),
    ):
        for name in shard_names(split, 4):
            path = f"{converted.output_dir}/{name}"
            assert fnmatch.fnmatch(path, data.input_path)
    assert values["export"].experiment == trained.experiment
    assert values["export"].checkpoint == trained.model_dir
    assert values["predict"].saved_model == values["export"].output_dir
    (images,) = map(pathlib.Path, values["predict"].images)
    assert images == pathlib.Path(converted.output_dir, "val_images")
    drawn, evaluated = values["visualize_attention"], values["evaluate"]
    assert drawn.image == evaluated.image_folder == str(images)
    assert drawn.output_dir == evaluated.attention_folder
    assert drawn.checkpoint == evaluated.model_dir == trained.model_dir


def test_quickstart_names_its_results(project):
    done = run(project, "tools/quickstart.sh")
    output = project.root / "runs" / "quickstart"
    assert f"the results are in {output}" in done.stdout
    assert (output / "table.txt").read_text() == "All 77.00\n"
    assert "All 77.00" in done.stdout
    steps = ("scenes", "training", "export", "prediction", "attention", "table")
    seconds = ", ".join(rf"{name} \d+ s" for name in steps)
    assert re.search(rf"{seconds}, \d+ s in all", done.stdout)


def test_quickstart_takes_a_relative_folder(project):
    done = run(project, "tools/quickstart.sh", "x [1], y=2")
    assert done.returncode == 0, done.stderr
    assert (project.home / "x [1], y=2" / "table.txt").is_file()


def test_quickstart_leaves_out_what_is_done(project):
    run(project, "tools/quickstart.sh")
    done = run(project, "tools/quickstart.sh")
    assert done.returncode == 0 and not done.calls
    assert done.stdout.count("done before") == len(MODULES)
    shutil.rmtree(project.root / "runs/quickstart/saved_model")
    done = run(project, "tools/quickstart.sh")
    assert [name for name, _ in tools_started(done)] == list(MODULES)[2:]


def test_quickstart_trains_as_many_steps_as_asked(project):
    run(project, "tools/quickstart.sh")
    done = run(project, "tools/quickstart.sh", AXIAL_STEPS="40")
    assert [name for name, _ in tools_started(done)] == list(MODULES)[1:]
    trainer = config_from_flags(_parsed(*tools_started(done)[0])).trainer
    rate = trainer.optimizer_config.learning_rate.warmup_poly
    assert trainer.train_steps == rate.total_steps == 40
    assert 0 < rate.warmup_steps < 40


@pytest.mark.parametrize("steps", ["0", "many", "-3", "1.5"])
def test_quickstart_refuses_senseless_steps(project, steps):
    done = run(project, "tools/quickstart.sh", AXIAL_STEPS=steps)
    assert_one_line(done, "AXIAL_STEPS", steps)
    assert not done.calls


@pytest.mark.parametrize("name", MODULES)
def test_quickstart_goes_on_at_the_step_that_failed(project, name):
    failing = {"REFUSE": f"/{name}.py", "WORDS": "", "STATUS": "2"}
    done = run(project, "tools/quickstart.sh", **failing)
    assert done.returncode == 2
    assert not done.stderr  # the tool has given its reason
    assert not (project.root / "runs/quickstart/table.txt").exists()
    again = run(project, "tools/quickstart.sh")
    assert again.returncode == 0, again.stderr
    started = [name for name, _ in tools_started(again)]
    assert started == list(MODULES)[list(MODULES).index(name) :]


def test_quickstart_tells_of_a_tool_that_was_killed(project):
    killed = {"REFUSE": "/train.py", "WORDS": "", "STATUS": "137"}
    done = run(project, "tools/quickstart.sh", **killed)
    assert_one_line(done, "training", "137", "again")


def test_quickstart_stops_where_the_installation_failed(project):
    done = run(
        project, "tools/quickstart.sh", REFUSE="requirements", WORDS="ERROR: x"
    )
    assert_one_line(done, "install.sh", "ERROR: x")
    assert not (project.root / "runs").exists()
