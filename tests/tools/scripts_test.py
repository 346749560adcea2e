"""The shell scripts, with a Python that only notes what it is asked to do."""

import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys
import types

import pytest
from absl import flags

from axial_deeplab.data.shards import shard_names
from axial_deeplab.experiments.experiment_flags import config_from_flags
from tests.source_tree import PROJECT
from tools import convert_dataset, evaluate, export, predict, train

FILES = (
    "tools/install.sh",
    "tools/quickstart.sh",
    "tools/test.sh",
    ".ci/run",
    "requirements.txt",
    "pyproject.toml",
)
PROGRAMS = (
    "awk bash cat cksum cp cut df dirname du flock grep mkdir mv rm sleep tail"
    " tee touch"
).split()

# Takes orders like Python; REFUSE makes it fail when they contain that text.
PYTHON = r"""#!/usr/bin/env bash
printf '%s\t' "$@" >>"$CALLS"
echo >>"$CALLS"
if [ -n "$REFUSE" ] && [[ "$*" == *"$REFUSE"* ]]; then
  printf '%s\n' "$WORDS"
  exit "${STATUS:-1}"
fi
case "$*" in
-V) echo "Python 3.9.1" ;;
"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
*/convert_dataset.py*) mkdir shapes && touch shapes/val_panoptic.json ;;
*/train.py*) mkdir -p model && touch model/training_curves.png ;;
*/export.py*) mkdir -p saved_model ;;
*/predict.py*) mkdir -p predictions && touch predictions/predictions.json ;;
*/evaluate.py*) echo "All 77.00" ;;
esac
"""

MODULES = {
    "convert_dataset": convert_dataset,
    "train": train,
    "export": export,
    "predict": predict,
    "evaluate": evaluate,
}


@pytest.fixture
def project(tmp_path):
    """A copy of the scripts, and a PATH that holds the noting Python."""
    root = tmp_path / "a project"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, root / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        if path := shutil.which(name):
            (programs / name).symlink_to(path)
    (programs / "env").symlink_to(shutil.which("env"))
    _write_program(programs / "python3.11", PYTHON)
    return types.SimpleNamespace(
        root=root,
        programs=programs,
        calls=tmp_path / "calls",
        home=tmp_path,
        venv=root / ".venv",
    )


def _write_program(path, text):
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _run(project, *arguments, cwd=None, **variables):
    """Runs a script; `.calls` are the orders given to Python, as lists."""
    project.calls.write_text("")
    done = subprocess.run(
        ["bash", str(project.root / arguments[0]), *arguments[1:]],
        cwd=cwd or project.home,
        env={
            "PATH": str(project.programs),
            "HOME": str(project.home),
            "CALLS": str(project.calls),
            "REFUSE": "",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = project.calls.read_text().splitlines()
    done.calls = [line.rstrip("\t").split("\t") for line in lines]
    return done


def _one_line(done, *expected):
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    for text in expected:
        assert text in lines[0]


def _pip(done):
    """What pip was asked to install, call by call."""
    return [
        call[call.index("install") + 1 :]
        for call in done.calls
        if call[:2] == ["-m", "pip"] and "install" in call
    ]


def _venvs_made(done):
    return [call for call in done.calls if call[:2] == ["-m", "venv"]]


def _tools(done):
    """(name, arguments) of the tools that were started."""
    return [
        (pathlib.Path(call[0]).stem, call[1:])
        for call in done.calls
        if "/tools/" in call[0]
    ]


def test_installs_once_and_then_does_nothing(project):
    done = _run(project, "tools/install.sh")
    assert done.returncode == 0, done.stderr
    assert len(_venvs_made(done)) == 1
    newer_pip, packages = _pip(done)
    assert newer_pip[-1].startswith("pip>=")
    assert packages[-4:] == ["-r", "requirements.txt", "-e", "."]
    assert "import axial_deeplab" in done.calls[-1][-1]
    again = _run(project, "tools/install.sh")
    assert again.returncode == 0 and not again.calls


def test_test_tools_come_on_top(project):
    _run(project, "tools/install.sh")
    done = _run(project, "tools/install.sh", "test")
    assert done.returncode == 0, done.stderr
    assert _pip(done)[-1][-1] == ".[test]" and not _venvs_made(done)
    assert not _run(project, "tools/install.sh", "test").calls
    assert not _run(project, "tools/install.sh").calls


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_changed_requirements_are_installed(project, name):
    _run(project, "tools/install.sh")
    with open(project.root / name, "a") as file:
        file.write("# another line\n")
    done = _run(project, "tools/install.sh")
    assert _pip(done) and not _venvs_made(done)


def test_moved_project_is_installed_again(project):
    _run(project, "tools/install.sh")
    project.root = project.root.rename(project.home / "elsewhere")
    assert _pip(_run(project, "tools/install.sh"))


@pytest.mark.parametrize(
    ["words", "cause"],
    [
        ("x\nWARNING: Retrying: NewConnectionError('y')\nERROR: z", "network"),
        ("ERROR: [Errno 28] No space left on device", "no disk space"),
        ("x\nERROR: No matching distribution for y\nz", "distribution for y"),
        ("Illegal instruction", "Illegal instruction"),
    ],
)
@pytest.mark.parametrize("step", ["pip>=", "requirements", "import axial"])
def test_failed_step_is_one_line_and_is_resumed(project, step, words, cause):
    done = _run(project, "tools/install.sh", REFUSE=step, WORDS=words)
    _one_line(done, cause, str(project.venv / "install.log"))
    assert words in (project.venv / "install.log").read_text()
    again = _run(project, "tools/install.sh")
    assert again.returncode == 0, again.stderr
    assert len(_pip(again)) == 2 and not _venvs_made(again)


def test_no_disk_space_is_one_line(project):
    _write_program(
        project.programs / "df",
        "#!/usr/bin/env bash\necho header\necho disk 9999999 999999 2048000 1%",
    )
    done = _run(project, "tools/install.sh")
    _one_line(done, "no disk space", "2000 MiB free", str(project.root))
    assert not project.venv.exists()


def test_no_python_is_one_line(project):
    (project.programs / "python3.11").unlink()
    _one_line(_run(project, "tools/install.sh"), "no Python 3.10 to 3.13")


def test_wrong_python_is_one_line(project):
    old = project.programs / "python3.11"
    old.rename(project.programs / "python3")
    done = _run(project, "tools/install.sh", REFUSE="version_info")
    _one_line(done, "no Python 3.10 to 3.13", "Python 3.9.1")
    assert not project.venv.exists()


def test_chosen_python_is_checked_and_used(project):
    chosen = project.home / "chosen"
    done = _run(project, "tools/install.sh", PYTHON=str(chosen))
    _one_line(done, str(chosen))
    _write_program(chosen, PYTHON)
    (project.programs / "python3.11").unlink()
    done = _run(
        project, "tools/install.sh", PYTHON=str(chosen), REFUSE="version_info"
    )
    _one_line(done, str(chosen), "Python 3.9.1")
    assert not _run(project, "tools/install.sh", PYTHON=str(chosen)).returncode


def test_missing_venv_module_is_one_line(project):
    done = _run(project, "tools/install.sh", REFUSE="ensurepip")
    _one_line(done, "python3-venv")
    assert not project.venv.exists()


def test_python_without_venv_module_is_passed_over(project):
    _write_program(
        project.programs / "python3.11",
        '#!/usr/bin/env bash\n[[ "$*" != *ensurepip* ]]',
    )
    _write_program(project.programs / "python3.12", PYTHON)
    done = _run(project, "tools/install.sh")
    assert done.returncode == 0 and "python3.12" in done.stdout


def test_broken_venv_is_made_anew(project):
    _run(project, "tools/install.sh", REFUSE="import axial", WORDS="x")
    (project.venv / "bin" / "python").write_text("#!/nowhere/python\n")
    done = _run(project, "tools/install.sh")
    assert done.returncode == 0 and len(_venvs_made(done)) == 1


def test_torn_package_makes_venv_anew(project):
    _run(project, "tools/install.sh", REFUSE="import axial", WORDS="x")
    package = project.venv / "lib/python3.11/site-packages/numpy.dist-info"
    package.mkdir(parents=True)
    (package / "RECORD").touch()
    done = _run(project, "tools/install.sh", REFUSE="import axial", WORDS="x")
    assert not _venvs_made(done)
    (package / "RECORD").unlink()
    assert _venvs_made(_run(project, "tools/install.sh"))


def test_unknown_argument_is_one_line(project):
    _one_line(_run(project, "tools/install.sh", "tests"), "tests")


def test_real_pip_without_network_is_one_line(project):
    """pip's own words are understood."""
    (project.programs / "python3.11").unlink()
    nowhere = "http://127.0.0.1:9/simple"
    done = _run(
        project,
        "tools/install.sh",
        PYTHON=sys.executable,
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=nowhere,
        PIP_RETRIES="0",
        PIP_NO_CACHE_DIR="1",
    )
    _one_line(done, "no network", str(project.venv / "install.log"))
    assert nowhere in (project.venv / "install.log").read_text()


def test_test_script_hands_on_arguments_and_status(project):
    done = _run(project, "tools/test.sh", "tests/layers", "-k", "a or b")
    assert done.returncode == 0, done.stderr
    assert done.calls[-1] == ["-m", "pytest", "tests/layers", "-k", "a or b"]
    assert _pip(done)[-1][-1] == ".[test]"
    failed = _run(project, "tools/test.sh", REFUSE="pytest", STATUS="5")
    assert failed.returncode == 5


def test_continuous_integration_runs_the_test_script(project):
    done = _run(project, ".ci/run")
    assert done.returncode == 0, done.stderr
    assert done.calls[-1] == ["-m", "pytest"]


def _parsed(name, arguments):
    """The flags as the tool itself reads them."""
    values = flags.FlagValues()
    MODULES[name].define_flags(values)
    rest = values([name, *arguments])
    assert rest == [name]
    return values


def test_quickstart_gives_the_tools_what_they_take(project):
    done = _run(project, "tools/quickstart.sh")
    assert done.returncode == 0, done.stderr
    steps = dict(_tools(done))
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
    images = pathlib.Path(values["predict"].images)
    assert images == pathlib.Path(converted.output_dir, "val_images")


def test_quickstart_names_its_results(project):
    done = _run(project, "tools/quickstart.sh")
    output = project.root / "runs" / "quickstart"
    assert f"the results are in {output}" in done.stdout
    assert (output / "table.txt").read_text() == "All 77.00\n"
    assert "All 77.00" in done.stdout
    for name in ("scenes", "training", "export", "prediction", "table"):
        assert f"{name} 0 s" in done.stdout.splitlines()[-6]


def test_quickstart_takes_a_relative_folder(project):
    done = _run(project, "tools/quickstart.sh", "x [1], y=2")
    assert done.returncode == 0, done.stderr
    assert (project.home / "x [1], y=2" / "table.txt").is_file()


def test_quickstart_leaves_out_what_is_done(project):
    _run(project, "tools/quickstart.sh")
    done = _run(project, "tools/quickstart.sh")
    assert done.returncode == 0 and not done.calls
    assert done.stdout.count("done before") == len(MODULES)
    shutil.rmtree(project.root / "runs/quickstart/saved_model")
    done = _run(project, "tools/quickstart.sh")
    assert [name for name, _ in _tools(done)] == list(MODULES)[2:]


def test_quickstart_trains_as_many_steps_as_asked(project):
    _run(project, "tools/quickstart.sh")
    done = _run(project, "tools/quickstart.sh", AXIAL_STEPS="40")
    assert [name for name, _ in _tools(done)] == list(MODULES)[1:]
    trainer = config_from_flags(_parsed(*_tools(done)[0])).trainer
    rate = trainer.optimizer_config.learning_rate.warmup_poly
    assert trainer.train_steps == rate.total_steps == 40
    assert 0 < rate.warmup_steps < 40


@pytest.mark.parametrize("steps", ["0", "many", "-3", "1.5"])
def test_quickstart_refuses_senseless_steps(project, steps):
    done = _run(project, "tools/quickstart.sh", AXIAL_STEPS=steps)
    _one_line(done, "AXIAL_STEPS", steps)
    assert not done.calls


@pytest.mark.parametrize("name", MODULES)
def test_quickstart_goes_on_at_the_step_that_failed(project, name):
    failing = {"REFUSE": f"/{name}.py", "WORDS": "", "STATUS": "2"}
    done = _run(project, "tools/quickstart.sh", **failing)
    assert done.returncode == 2
    assert not done.stderr  # the tool has given its reason
    assert not (project.root / "runs/quickstart/table.txt").exists()
    again = _run(project, "tools/quickstart.sh")
    assert again.returncode == 0, again.stderr
    started = [name for name, _ in _tools(again)]
    assert started == list(MODULES)[list(MODULES).index(name) :]


def test_quickstart_tells_of_a_tool_that_was_killed(project):
    killed = {"REFUSE": "/train.py", "WORDS": "", "STATUS": "137"}
    done = _run(project, "tools/quickstart.sh", **killed)
    _one_line(done, "training", "137", "again")


def test_quickstart_stops_where_the_installation_failed(project):
    done = _run(
        project, "tools/quickstart.sh", REFUSE="requirements", WORDS="ERROR: x"
    )
    _one_line(done, "install.sh", "ERROR: x")
    assert not (project.root / "runs").exists()
