"""`make mutants`: small changes to the rooms' pure modules, one at a time. A change that no test notices is a survivor.

Everything happens in a copy of the tree. `make mutants MODULES=reports/redact.py` asks one module alone. A survivor is a test that is
missing, or a change that means the same: look at each.
"""

from __future__ import annotations

import ast
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TESTS = {
    "escalation/decide/decisions.py": (
        "tests/escalation/decide/test_anew_and_held.py",
        "tests/escalation/decide/test_decisions.py",
    ),
    "escalation/decide/observations.py": (
        "tests/escalation/decide/test_observations.py",
        "tests/escalation/decide/test_decisions.py",
    ),
    "escalation/decide/causes.py": ("tests/escalation/decide/test_causes.py",),
    "escalation/decide/incidents.py": (
        "tests/escalation/decide/test_incidents.py",
        "tests/escalation/decide/test_causes.py",
    ),
    "escalation/decide/clocks.py": ("tests/escalation/decide/test_clocks.py",),
    "detectors/limits.py": ("tests/detectors/test_limits.py",),
    "reports/redact.py": ("tests/reports/test_redact.py",),
}
"""The modules, each with the tests that must notice: pure ones, as each change runs them all. Properties are left out."""
LONGEST = 20
"""Seconds that the tests of a module take at most."""
_LIBRARIES = (
    "alembic",
    "click",
    "duckdb",
    "duckdb_sqlalchemy",
    "hypothesis.strategies",
    "pandas",
    "psycopg",
    "pydantic",
    "sqlalchemy",
)
"""What is imported before the tree is changed: each child would spend more time on these than on its tests."""
_ALONE = ("-x", "-q", "--noconftest", "-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider")
"""What the pure tests need of pytest: no server, and no plugin but the one that knows the properties."""
_OPERATORS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_NAMES = {"max": "min", "min": "max", "any": "all", "all": "any"}


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Each changed source with its line and the changed piece, before and after. What decorates is left as it is."""
    nodes = _nodes(source)
    decorators = [one for node in nodes for one in getattr(node, "decorator_list", ())]
    left = {id(part) for decorator in decorators for part in ast.walk(decorator)}
    for place in [place for place, node in enumerate(nodes) if id(node) not in left and _changed(node)]:
        tree, *parts = _nodes(source)
        node = parts[place - 1]
        before = ast.unparse(node) if isinstance(node, ast.expr) else ""
        _changed(node)
        yield getattr(node, "lineno", 0), f"{before}  ->  {ast.unparse(node)}", ast.unparse(tree)


def _nodes(source: str) -> list[ast.AST]:
    """The module and all that is in it, always in the same order."""
    return list(ast.walk(ast.parse(source)))


def _changed(node: ast.AST) -> bool:
    """Change `node` in place; False where there is nothing to change."""
    match node:
        case ast.Compare(ops=[operator, *others]) if type(operator) in _OPERATORS:
            node.ops = [_OPERATORS[type(operator)](), *others]
        case ast.BoolOp():
            node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        case ast.UnaryOp(op=ast.Not()):
            # Not without an effect: twice is as good as never.
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
        case ast.Constant(value=bool() as value):
            node.value = not value
        case ast.Constant(value=int() as value):
            node.value = value + 1
        case ast.Name(id=name) if name in _NAMES:
            node.id = _NAMES[name]
        case _:
            return False
    return True


def survives(copy: Path, module: str, source: str) -> bool:
    """Whether the tests of `module` pass although it reads `source`. In a process of its own, which has imported nothing of ours."""
    (copy / module).write_text(source, encoding="utf-8")
    child = os.fork()
    if not child:
        # A change that never comes to an end is noticed, too.
        signal.alarm(LONGEST)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        sys.dont_write_bytecode = True
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        os._exit(pytest.main([*_ALONE, "-m", "not hypothesis", *TESTS[module]]))
    return os.waitpid(child, 0)[1] == 0


def main(modules: list[str]) -> int:
    """Say each survivor. Returns how many there are."""
    left = 0
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for library in _LIBRARIES:
        import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "out", "*.egg-info", "__pycache__"))
        for module in modules or TESTS:
            original = (ROOT / module).read_text(encoding="utf-8")
            if not survives(copy, module, original):
                sys.exit(f"{module}: its tests fail without any change")
            made = list(mutants(original))
            alive = [(line, change) for line, change, source in made if survives(copy, module, source)]
            (copy / module).write_text(original, encoding="utf-8")
            print(f"{module}: {len(alive)} of {len(made)} changes survive", flush=True)
            for line, change in alive:
                print(f"  {module}:{line}: {change}", flush=True)
            left += len(alive)
    return left


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
