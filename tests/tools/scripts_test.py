"""tools/install.sh, tools/test.sh and .ci/run, with a Python that notes."""

import os
import sys

import pytest

from tests.tools.script_case import (
    PYTHON,
    assert_one_line,
    pip_installs,
    run,
    script_project,
    venvs_made,
    write_program,
)

PYTEST = ["-m", "pytest", "--numprocesses=auto", "--dist=loadfile"]
PYTEST += ["--no-loadscope-reorder"]


@pytest.fixture
def project(tmp_path):
    return script_project(tmp_path)


def test_installs_once_and_then_does_nothing(project):
    done = run(project, "tools/install.sh")
    assert done.returncode == 0, done.stderr
    assert len(venvs_made(done)) == 1
    newer_pip, packages = pip_installs(done)
    assert newer_pip[-1].startswith("pip>=")
    assert packages[-4:] == ["-r", "requirements.txt", "-e", "."]
    assert "import axial_deeplab" in done.calls[-1][-1]
    again = run(project, "tools/install.sh")
    assert again.returncode == 0 and not again.calls


def test_test_extra_comes_on_top(project):
    run(project, "tools/install.sh")
    done = run(project, "tools/install.sh", "test")
    assert done.returncode == 0, done.stderr
    assert pip_installs(done)[-1][-1] == ".[test]" and not venvs_made(done)
    assert not run(project, "tools/install.sh", "test").calls
    assert not run(project, "tools/install.sh").calls


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_changed_requirements_are_installed(project, name):
    run(project, "tools/install.sh")
    with open(project.root / name, "a") as file:
        file.write("# another line\n")
    done = run(project, "tools/install.sh")
    assert pip_installs(done) and not venvs_made(done)


def test_moved_project_is_installed_again(project):
    run(project, "tools/install.sh")
    project.root = project.root.rename(project.home / "elsewhere")
    assert pip_installs(run(project, "tools/install.sh"))


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
    done = run(project, "tools/install.sh", REFUSE=step, WORDS=words)
    assert_one_line(done, cause, str(project.venv / "install.log"))
    assert words in (project.venv / "install.log").read_text()
    again = run(project, "tools/install.sh")
    assert again.returncode == 0, again.stderr
    assert len(pip_installs(again)) == 2 and not venvs_made(again)


def test_no_disk_space_is_one_line(project):
    write_program(
        project.programs / "df",
        "#!/usr/bin/env bash\necho header\necho disk 9999999 999999 2048000 1%",
    )
    done = run(project, "tools/install.sh")
    assert_one_line(done, "no disk space", "2000 MiB free", str(project.root))
    assert not project.venv.exists()


def test_no_python_is_one_line(project):
    (project.programs / "python3.11").unlink()
    assert_one_line(run(project, "tools/install.sh"), "no Python 3.10 to 3.13")


def test_wrong_python_is_one_line(project):
    old = project.programs / "python3.11"
    old.rename(project.programs / "python3")
    done = run(project, "tools/install.sh", REFUSE="version_info")
    assert_one_line(done, "no Python 3.10 to 3.13", "Python 3.9.1")
    assert not project.venv.exists()


def test_chosen_python_is_checked_and_used(project):
    chosen = project.home / "chosen"
    done = run(project, "tools/install.sh", PYTHON=str(chosen))
    assert_one_line(done, str(chosen))
    write_program(chosen, PYTHON)
    (project.programs / "python3.11").unlink()
    done = run(
        project, "tools/install.sh", PYTHON=str(chosen), REFUSE="version_info"
    )
    assert_one_line(done, str(chosen), "Python 3.9.1")
    assert not run(project, "tools/install.sh", PYTHON=str(chosen)).returncode


def test_missing_venv_module_is_one_line(project):
    done = run(project, "tools/install.sh", REFUSE="ensurepip")
    assert_one_line(done, "python3-venv")
    assert not project.venv.exists()


def test_python_without_venv_module_is_passed_over(project):
    write_program(
        project.programs / "python3.11",
        '#!/usr/bin/env bash\n[[ "$*" != *ensurepip* ]]',
    )
    write_program(project.programs / "python3.12", PYTHON)
    done = run(project, "tools/install.sh")
    assert done.returncode == 0 and "python3.12" in done.stdout


def test_broken_venv_is_made_anew(project):
    run(project, "tools/install.sh", REFUSE="import axial", WORDS="x")
    (project.venv / "bin" / "python").write_text("#!/nowhere/python\n")
    done = run(project, "tools/install.sh")
    assert done.returncode == 0 and len(venvs_made(done)) == 1


def test_torn_package_makes_venv_anew(project):
    run(project, "tools/install.sh", REFUSE="import axial", WORDS="x")
    package = project.venv / "lib/python3.11/site-packages/numpy.dist-info"
    package.mkdir(parents=True)
    (package / "RECORD").touch()
    done = run(project, "tools/install.sh", REFUSE="import axial", WORDS="x")
    assert not venvs_made(done)
    (package / "RECORD").unlink()
    assert venvs_made(run(project, "tools/install.sh"))


def test_unknown_argument_is_one_line(project):
    assert_one_line(run(project, "tools/install.sh", "tests"), "tests")


def test_real_pip_without_network_is_one_line(project):
    """pip's own words are understood."""
    (project.programs / "python3.11").unlink()
    nowhere = "http://127.0.0.1:9/simple"
    done = run(
        project,
        "tools/install.sh",
        PYTHON=sys.executable,
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=nowhere,
        PIP_RETRIES="1",
        PIP_NO_CACHE_DIR="1",
    )
    assert_one_line(done, "no network", str(project.venv / "install.log"))
    assert nowhere in (project.venv / "install.log").read_text()


def test_test_script_hands_on_arguments_and_status(project):
    done = run(project, "tools/test.sh", "tests/layers", "-k", "a or b")
    assert done.returncode == 0, done.stderr
    assert done.calls[-1] == [*PYTEST, "tests/layers", "-k", "a or b"]
    assert pip_installs(done)[-1][-1] == ".[test]"
    failed = run(project, "tools/test.sh", REFUSE="pytest", STATUS="5")
    assert failed.returncode == 5


def test_continuous_integration_runs_the_test_script(project):
    done = run(project, ".ci/run")
    assert done.returncode == 0, done.stderr
    assert done.calls[-1] == PYTEST
