"""Comments of a dataclass's fields, read from its source: what a setting means stands beside it there."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize


def comments(schema: type) -> dict[str, str]:
    """The comment of each field, beside it or in the lines above; then that above the name of its type, if any."""
    lines, _ = inspect.findsource(schema)
    source = "".join(lines)
    found = _by_line(source)
    body = ast.parse(source).body
    types = {
        target.id: _above(node, found, lines)
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    (definition,) = (node for node in body if isinstance(node, ast.ClassDef) and node.name == schema.__name__)
    meanings = {}
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            named = [name.id for name in ast.walk(node.annotation) if isinstance(name, ast.Name)]
            said = [found.get(node.end_lineno or 0, ""), _above(node, found, lines), *(types.get(n, "") for n in named)]
            meanings[node.target.id] = ". ".join(text.rstrip(".") for text in said if text)
    return meanings


def _by_line(source: str) -> dict[int, str]:
    """Every comment without its sign, by the number of its line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _above(node: ast.stmt, found: dict[int, str], lines: list[str]) -> str:
    """The comment that fills the lines right above a statement."""
    first = node.lineno
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return " ".join(found[number] for number in range(first, node.lineno))
