"""Holds BUILD against the files and what they import."""

import ast
import collections
import fnmatch
import graphlib
import types
from typing import NamedTuple

import pytest

from tests.source_tree import PROJECT, imports, module_file, python_files

# The runner of all test targets: no one's own file.
SHARED_MAIN = "tests/pytest_main.py"
PYTHON_RULES = ("py_library", "py_binary", "py_test")


class Target(NamedTuple):
    rule: str
    name: str
    srcs: list[str]
    deps: list[str]
    attributes: dict


def _glob(include, exclude=()):
    """Bazel's: `*` stays inside a folder, `**` is any number of folders."""
    found = set()
    for pattern in include:
        found |= {
            path.relative_to(PROJECT).as_posix()
            for path in PROJECT.glob(pattern)
            if path.is_file()
        }
    for pattern in exclude:
        found = {path for path in found if not fnmatch.fnmatch(path, pattern)}
    return sorted(found)


def read_build(text):
    """The targets of a BUILD file, which is a Python program."""
    targets = []

    def rule(kind):
        def call(name, srcs=(), deps=(), **attributes):
            targets.append(
                Target(kind, name, list(srcs), list(deps), attributes)
            )

        return call

    names = {kind: rule(kind) for kind in PYTHON_RULES}
    ignored = ("package", "licenses", "exports_files")
    names |= {name: lambda *_, **__: None for name in ignored}
    # Without builtins: whatever else BUILD calls is an error, as in Bazel.
    names |= {"glob": _glob, "__builtins__": {}}
    exec(compile(ast.parse(text, "BUILD"), "BUILD", "exec"), names)
    return targets


@pytest.fixture(scope="module")
def build():
    targets = read_build((PROJECT / "BUILD").read_text())
    by_file = collections.defaultdict(list)
    for target in targets:
        for path in target.srcs:
            by_file[path].append(target.name)
    return types.SimpleNamespace(targets=targets, by_file=by_file)


def _expected_deps(target, by_file):
    used = {
        owner
        for path in target.srcs
        if path != SHARED_MAIN
        for one in imports(path)
        if (file := module_file(one.module))
        for owner in by_file[file]
    }
    return sorted(f":{name}" for name in used - {target.name})


def test_every_python_file_is_in_exactly_one_target(build):
    files = [path for path in python_files() if path != SHARED_MAIN]
    wrong = {
        path: build.by_file.get(path, [])
        for path in files
        if len(build.by_file.get(path, [])) != 1
    }
    assert not wrong, f"files in no target, or in several: {wrong}"
    missing = set(build.by_file) - set(files) - {SHARED_MAIN}
    assert not missing, f"BUILD names files that are not there: {missing}"


def test_deps_are_exactly_what_the_sources_import(build):
    lines = []
    for target in build.targets:
        expected = _expected_deps(target, build.by_file)
        if target.deps != expected:
            lines.append(f"{target.name}: deps must be {expected}")
    assert not lines, "\n".join(["BUILD is out of date:", *lines])


def test_there_are_no_cycles(build):
    graph = {
        f":{target.name}": set(target.deps) - {f":{target.name}"}
        for target in build.targets
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_names_are_unique_and_deps_exist(build):
    names = [f":{target.name}" for target in build.targets]
    assert len(names) == len(set(names))
    unknown = {dep for target in build.targets for dep in target.deps}
    assert unknown <= set(names), unknown - set(names)


def test_folders_and_tools_have_their_targets(build):
    rules = {target.name: target.rule for target in build.targets}
    for path in python_files("axial_deeplab"):
        assert rules[path.rsplit("/", 1)[0]] == "py_library"
    for path in python_files("tools"):
        assert rules[path.removesuffix(".py")] == "py_binary"
    for path in python_files("tests"):
        if path.endswith("_test.py"):
            folder = path.rsplit("/", 1)[0]
            assert rules[f"{folder}_test"] == "py_test"


def test_test_targets_run_all_their_files(build):
    tests = [one for one in build.targets if one.rule == "py_test"]
    for target in tests:
        files = [path for path in target.srcs if path != SHARED_MAIN]
        assert target.attributes["main"] == SHARED_MAIN in target.srcs
        assert files and target.attributes["args"] == files


def test_reader_sees_what_is_wrong():
    """The checks above rest on this reader."""
    targets = read_build(
        'A = ["x"]\n'
        'py_library(name = "a", srcs = glob(["tests/*.py"],'
        ' exclude = ["tests/*_test.py"]), deps = [":b"])\n'
        "[py_test(name = n, srcs = A) for n in A]"
    )
    assert [target.name for target in targets] == ["a", "x"]
    assert "tests/golden.py" in targets[0].srcs
    assert "tests/build_test.py" not in targets[0].srcs
    assert targets[0].deps == [":b"] and targets[1].srcs == ["x"]
    with pytest.raises(NameError):
        read_build('load("@rules_python//python:defs.bzl", "py_library")')
