"""Who may import whom.

The rules are those of the design; they keep each part usable without the
rest. A new folder or module needs its line in `MAY_IMPORT`.
"""

import ast
import collections
import graphlib
import json
import subprocess
import sys

import pytest

from tests.source_tree import (
    PROJECT,
    imports,
    module_file,
    module_name,
    python_files,
    syntax_tree,
)

_DATA = {"data", "data.dataset_specs", "data.image_ops"}
_TABLES = "ade20k cityscapes coco coco_stuff isaid mapillary pascal".split()
_LABELS = {f"data.{name}_labels" for name in _TABLES}
_SPECS = {"data.class_tables", "data.custom_specs"}
_BASE = {"keys", "layers", "losses", "optimization", "postprocess", "progress"}

# Parts of the package, and the other parts they may import.
MAY_IMPORT = {
    "": {"losses", "models", "version"},  # axial_deeplab/__init__.py
    "version": set(),
    "keys": set(),
    "progress": set(),
    "workers": set(),
    "timing": set(),
    "command_line": set(),
    "layers": set(),
    "optimization": set(),
    "checkpoints": set(),
    "backbones": {"layers"},
    "decoders": {"layers"},
    "models": {"backbones", "checkpoints", "decoders", "layers", "keys"},
    "costs": {*_BASE, *_DATA, "backbones", "decoders", "models", "timing"},
    "losses": {"keys"},
    "postprocess": {"keys"},
    **{name: set() for name in sorted(_LABELS)},
    "data.class_tables": set(),
    "data.custom_specs": {"data.class_tables"},
    "data.dataset_specs": {*_LABELS, *_SPECS},
    "data.image_ops": set(),
    "data": {*_LABELS, *(_DATA - {"data"}), "keys", "progress"},
    "evaluation": {
        "data.cityscapes_labels",
        "data.dataset_specs",
        "data.mapillary_labels",
        "keys",
        "progress",
    },
    "callbacks": {*_BASE, "data.dataset_specs", "evaluation", "workers"},
    "visualization": {"data.dataset_specs", "keys"},
    "visualization_attention": {"models"},
    "visualization_classes": set(),
    "export": {
        "data.dataset_specs",
        "data.image_ops",
        "keys",
        "layers",
        "models",
        "postprocess",
        "timing",
        "version",
    },
    "experiments": {
        *_BASE,
        *_DATA,
        "backbones",
        "checkpoints",
        "decoders",
        "evaluation",
        "models",
        "version",
        *("visualization", "visualization_attention"),
        "visualization_classes",
        "workers",
    },
}

MODEL_GARDEN = {"official", "orbit", "tensorflow_models"}


def _part(module):
    """ "axial_deeplab.data.shards" -> "data"; split modules keep their name."""
    inside = module.removeprefix("axial_deeplab").lstrip(".")
    return inside if inside in MAY_IMPORT else inside.split(".")[0]


def _ours(path, package="axial_deeplab"):
    return [
        one
        for one in imports(path)
        if one.module.split(".")[0] == package and module_file(one.module)
    ]


def _where(path, one):
    return f"{path}:{one.line} imports {one.module}"


@pytest.mark.parametrize("path", python_files("axial_deeplab"))
def test_parts_import_only_what_they_may(path):
    part = _part(module_name(path))
    assert part in MAY_IMPORT, f"{path}: no rule for {part!r}"
    wrong = [
        _where(path, one)
        for one in _ours(path)
        if _part(one.module) not in MAY_IMPORT[part] | {part}
    ]
    assert not wrong


def test_rules_name_parts_that_exist():
    parts = {_part(module_name(path)) for path in python_files("axial_deeplab")}
    assert parts == set(MAY_IMPORT)


def test_parts_do_not_import_in_a_circle():
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError


def test_modules_do_not_import_in_a_circle():
    graph = {
        module_name(path): {one.module for one in _ours(path)}
        for path in python_files("axial_deeplab")
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_nobody_imports_tools_or_tests():
    wrong = [
        _where(path, one)
        for path in python_files("axial_deeplab", "tools")
        for one in imports(path)
        if one.module.split(".")[0] in ("tools", "tests")
    ]
    assert not wrong


def test_model_garden_only_in_experiments_and_tools():
    wrong = [
        _where(path, one)
        for path in python_files("axial_deeplab")
        for one in imports(path)
        if one.module.split(".")[0] in MODEL_GARDEN
        and not path.startswith("axial_deeplab/experiments/")
    ]
    assert not wrong


def test_matplotlib_is_imported_only_when_something_is_drawn():
    found = {
        path: one
        for path in python_files("axial_deeplab")
        for one in imports(path)
        if one.module.split(".")[0] == "matplotlib"
    }
    assert found, "nobody draws any more: drop this test"
    assert all(one.nested for one in found.values()), found


def _keras_of_tensorflow(path):
    """Places of `tf.keras`, and of imports of Keras 3 or tensorflow.keras."""
    for node in ast.walk(syntax_tree(path)):
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "keras"
            and isinstance(node.value, ast.Name)
            and node.value.id in ("tf", "tensorflow")
        ):
            yield f"{path}:{node.lineno} uses tf.keras"
    for one in imports(path):
        if f"{one.module}.".startswith(("keras.", "tensorflow.keras.")):
            yield _where(path, one)


@pytest.mark.parametrize("folder", ["axial_deeplab", "tools"])
def test_keras_is_always_tf_keras(folder):
    wrong = [
        place
        for path in python_files(folder)
        for place in _keras_of_tensorflow(path)
    ]
    assert not wrong


def test_every_folder_is_a_package_of_several_files():
    files = collections.defaultdict(set)
    for path in python_files("axial_deeplab", "tests"):
        folder, _, name = path.rpartition("/")
        files[folder].add(name)
    for folder, names in files.items():
        assert "__init__.py" in names, f"{folder} has no __init__.py"
        if folder.startswith("axial_deeplab"):
            assert len(names) > 2, f"{folder} holds one file only"
            assert folder.count("/") <= 1, f"{folder} is nested too deep"
    names = set().union(*files.values())
    assert not names & {"utils.py", "util.py", "helpers.py", "misc.py"}


_IMPORT_ALL = """
import importlib, json, sys
loaded, failed = [], {}
for names in json.loads(sys.argv[1]):
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            failed[name] = repr(error)
    loaded.append(sorted({name.split(".")[0] for name in sys.modules}))
print(json.dumps([failed, *loaded]))
"""


@pytest.fixture(scope="module")
def fresh_process():
    """Failed imports; what is loaded after tf_keras, our library, all."""
    names = [module_name(path) for path in python_files("axial_deeplab")]
    heavy = [name for name in names if _part(name) == "experiments"]
    library = [name for name in names if name not in heavy]
    heavy += [module_name(path) for path in python_files("tools")]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _IMPORT_ALL,
            json.dumps([["tensorflow", "tf_keras"], library, heavy]),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    failed, *loaded = json.loads(done.stdout.splitlines()[-1])
    return failed, *map(set, loaded)


def test_every_module_imports_in_a_fresh_process(fresh_process):
    failed, _, _, everything = fresh_process
    assert not failed
    assert MODEL_GARDEN & everything  # else the next test sees nothing


def test_the_library_loads_neither_model_garden_nor_matplotlib(fresh_process):
    _, tensorflow, library, _ = fresh_process
    # TensorFlow imports Keras 3, and that imports matplotlib where it can.
    assert "axial_deeplab" in library - tensorflow
    assert not (library - tensorflow) & (MODEL_GARDEN | {"matplotlib"})
