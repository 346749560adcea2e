"""requirements.txt, pyproject.toml, the scripts and the code say the same."""

import functools
import importlib.metadata
import pkgutil
import re
import sys

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import axial_deeplab
from tests.source_tree import FOLDERS, PROJECT, imports, python_files

# Modules that come with a package we name.
COMES_WITH = {
    "orbit": "tf-models-official",
    "tensorboard": "tensorflow",
    "tensorflow_serving": "tensorflow-serving-api",
}
# Of the package what needs more than its core.
WITH_EXTRAS = (
    "axial_deeplab/experiments/",
    "axial_deeplab/export/grpc_predict.py",
)


@pytest.fixture(scope="module")
def project():
    # The standard library's reader is as old as Python 3.11; pytest brings
    # the other one below.
    old = sys.version_info < (3, 11)
    toml = pytest.importorskip("tomli" if old else "tomllib")
    return toml.loads((PROJECT / "pyproject.toml").read_text())["project"]


def _by_name(lines):
    parsed = [Requirement(line) for line in lines]
    named = {
        canonicalize_name(one.name): (one.specifier, str(one.marker))
        for one in parsed
    }
    assert len(named) == len(parsed), "a package is named twice"
    return named


def test_requirements_are_the_core_and_the_train_extra(project):
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    stated = _by_name(x for x in lines if x and not x.startswith("#"))
    extras = project["optional-dependencies"]
    assert stated == _by_name(project["dependencies"] + extras["train"])
    assert not stated.keys() & _by_name(extras["test"]).keys()
    assert extras["serve"][0] in extras["test"]


def _third_party(paths):
    own = set(FOLDERS) | set(sys.stdlib_module_names)
    return {
        one.module.split(".")[0] for path in paths for one in imports(path)
    } - own


_INSTALLED = functools.cache(importlib.metadata.packages_distributions)


def _distributions(module):
    found = [COMES_WITH[module]] if module in COMES_WITH else None
    found = found or _INSTALLED().get(module, [module])
    return {canonicalize_name(name) for name in found}


def test_the_core_imports_only_core_dependencies(project):
    paths = [
        path
        for path in python_files("axial_deeplab")
        if not path.startswith(WITH_EXTRAS)
    ]
    core = _by_name(project["dependencies"]).keys()
    missing = {m for m in _third_party(paths) if not _distributions(m) & core}
    assert not missing


def test_everything_imported_is_required(project):
    extras = project["optional-dependencies"]
    stated = _by_name(
        project["dependencies"] + extras["train"] + extras["serve"]
    ).keys()
    paths = python_files("axial_deeplab", "tools")
    missing = {m for m in _third_party(paths) if not _distributions(m) & stated}
    assert not missing


def test_version_is_that_of_the_package(project):
    assert project["dynamic"] == ["version"]
    text = (PROJECT / "pyproject.toml").read_text()
    attribute = re.search(r'version = \{ attr = "(.+)" \}', text).group(1)
    assert pkgutil.resolve_name(attribute) == axial_deeplab.__version__
    assert importlib.metadata.version("axial_deeplab") == (
        axial_deeplab.__version__
    )


def test_installer_takes_the_pythons_of_the_package(project):
    script = (PROJECT / "tools" / "install.sh").read_text()
    low, high = re.search(
        r"not \((3, \d+)\) <= sys.version_info < \((3, \d+)\)", script
    ).groups()
    wanted = f">={low.replace(', ', '.')},<{high.replace(', ', '.')}"
    assert SpecifierSet(wanted) == SpecifierSet(project["requires-python"])
