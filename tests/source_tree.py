"""The project's Python files and what they import, from their syntax trees."""

import ast
import functools
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

PROJECT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("axial_deeplab", "tools", "tests")


class Import(NamedTuple):
    """One imported module; `nested`: only when a function is called."""

    module: str
    line: int
    nested: bool


def python_files(*folders: str) -> list[str]:
    """Paths from the project root, sorted; of all `FOLDERS` by default."""
    paths = [
        path.relative_to(PROJECT).as_posix()
        for folder in folders or FOLDERS
        for path in (PROJECT / folder).rglob("*.py")
    ]
    assert paths, f"no Python files in {folders or FOLDERS}"
    return sorted(paths)


@functools.cache
def syntax_tree(path: str) -> ast.Module:
    return ast.parse((PROJECT / path).read_text(encoding="utf-8"), path)


def module_name(path: str) -> str:
    """ "a/b.py" -> "a.b", "a/__init__.py" -> "a"."""
    parts = pathlib.PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_file(module: str) -> str | None:
    """Path of one of our modules; None for others and for plain names."""
    stem = module.replace(".", "/")
    if stem.split("/")[0] not in FOLDERS:
        return None
    for path in (f"{stem}.py", f"{stem}/__init__.py"):
        if (PROJECT / path).is_file():
            return path
    return None


def imports(path: str) -> list[Import]:
    """All imports; `from a import b` is a.b if that is our module, else a."""
    package = module_name(path)
    if not path.endswith("__init__.py"):
        package = package.rpartition(".")[0]
    return [
        Import(module, node.lineno, nested)
        for node, nested in _statements(syntax_tree(path))
        for module in _modules(node, package)
    ]


def _statements(
    node: ast.AST, nested: bool = False
) -> Iterator[tuple[ast.stmt, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, nested
        inside = isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        yield from _statements(child, nested or inside)


def _modules(node: ast.stmt, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        kept = parents[: len(parents) - node.level + 1]
        base = ".".join([*kept, base] if base else kept)
    found = {
        name if module_file(name) else base
        for name in (f"{base}.{alias.name}" for alias in node.names)
    }
    return sorted(found)
