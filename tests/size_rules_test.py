"""Files, functions and constructors stay small."""

import ast

from tests.source_tree import PROJECT, python_files, syntax_tree

FILE_LINES = 300
FUNCTION_LINES = 60
CONSTRUCTOR_ARGUMENTS = 8


def _lines(node):
    return node.end_lineno - node.lineno + 1


def _functions(path):
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_stay_short():
    lengths = {
        path: len((PROJECT / path).read_text().splitlines())
        for path in python_files()
    }
    assert not {k: n for k, n in lengths.items() if n > FILE_LINES}


def test_functions_stay_short():
    lengths = {
        f"{path}:{node.lineno} {node.name}": _lines(node)
        for path in python_files("axial_deeplab", "tools")
        for node in _functions(path)
    }
    assert not {k: n for k, n in lengths.items() if n > FUNCTION_LINES}


def test_constructors_take_few_arguments():
    counts = {}
    for path in python_files("axial_deeplab"):
        for node in _functions(path):
            if node.name == "__init__":
                arguments = node.args
                counts[f"{path}:{node.lineno}"] = (
                    len(arguments.posonlyargs)
                    + len(arguments.args)
                    + len(arguments.kwonlyargs)
                    - 1  # self
                )
    assert counts
    assert not {k: n for k, n in counts.items() if n > CONSTRUCTOR_ARGUMENTS}
