"""The shell scripts, and a Python that only notes what it is asked to do."""

import pathlib
import shutil
import subprocess
import types

from tests.source_tree import PROJECT

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
"-m venv"*)
  pip="$4/lib/python3.11/site-packages/pip.dist-info"
  mkdir -p "$4/bin" "$pip" && cp "$0" "$4/bin/python" && touch "$pip/RECORD"
  ;;
*/convert_dataset.py*) mkdir shapes && touch shapes/val_panoptic.json ;;
*/train.py*) mkdir -p model && touch model/training_curves.png ;;
*/export.py*) mkdir -p saved_model ;;
*/predict.py*) mkdir -p predictions && touch predictions/predictions.json ;;
*/visualize_attention.py*) mkdir -p attention ;;
*/evaluate.py*) echo "All 77.00" ;;
esac
"""


def script_project(tmp_path):
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
    write_program(programs / "python3.11", PYTHON)
    return types.SimpleNamespace(
        root=root,
        programs=programs,
        calls=tmp_path / "calls",
        home=tmp_path,
        venv=root / ".venv",
    )


def write_program(path, text):
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(project, *arguments, **variables):
    """Runs a script; `.calls` are the orders given to Python, as lists."""
    project.calls.write_text("")
    done = subprocess.run(
        ["bash", str(project.root / arguments[0]), *arguments[1:]],
        cwd=project.home,
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


def assert_one_line(done, *expected):
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    for text in expected:
        assert text in lines[0]


def pip_installs(done):
    """What pip was asked to install, call by call."""
    return [
        call[call.index("install") + 1 :]
        for call in done.calls
        if call[:2] == ["-m", "pip"] and "install" in call
    ]


def venvs_made(done):
    return [call for call in done.calls if call[:2] == ["-m", "venv"]]


def tools_started(done):
    """(name, arguments) of the tools that were started."""
    return [
        (pathlib.Path(call[0]).stem, call[1:])
        for call in done.calls
        if "/tools/" in call[0]
    ]
