"""Small wrongs, one at a time: every place of a module's functions where one sign could be another.

A mutant is the code of one outermost function with one change. Texts are left alone (what is said is tested
by its code, not by its words), and so is what runs once at import, but for the table of transitions.
"""

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

_OTHER_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OTHER_OPERATOR: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_OTHER_NAME = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which function of which module, on which line, and the line before and after."""

    module: str
    function: str
    line: int
    before: str
    after: str
    code: CodeType

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.function}: {self.before} -> {self.after}"


def mutants_of(module: str, path: Path) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function, qualname in _functions(tree.body, ""):
        places = [node for node in ast.walk(function) if not _is_spared(node)]
        for number, node in enumerate(places):
            for variant in range(_variants(node)):
                yield from _mutant(tree, module, qualname, number, variant)


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node, prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")


def _is_spared(node: ast.AST) -> bool:
    return not hasattr(node, "lineno")


def _variants(node: ast.AST) -> int:
    """How many other things could stand here."""
    match node:
        case ast.Compare(ops=ops):
            return len(ops)
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            return int(type(op) in _OTHER_OPERATOR)
        case ast.Name(id=name):
            return int(name in _OTHER_NAME)
        case ast.Constant(value=value):
            return int(isinstance(value, int))
        case _:
            return int(_is_statement_or_test(node))


def _is_statement_or_test(node: ast.AST) -> bool:
    """What can be left out, or turned round."""
    match node:
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not() | ast.USub()) | ast.If() | ast.IfExp():
            return True
        case ast.Expr(value=ast.Call()) | ast.Assign() | ast.Continue() | ast.Return(value=None):
            return True
        case _:
            return False


def _mutant(tree: ast.Module, module: str, qualname: str, number: int, variant: int) -> Iterator[Mutant]:
    changed = deepcopy(tree)
    function = next(node for node, name in _functions(changed.body, "") if name == qualname)
    node = [node for node in ast.walk(function) if not _is_spared(node)][number]
    if _is_in_text(function, node) or _is_in_head(function, node):
        return
    line = getattr(node, "lineno", 0)
    before = _shown(node)
    other = _changed(node, variant)
    if other is not node:
        _put(function, node, other)
    after = _shown(other)
    code = _code_of(compile(ast.fix_missing_locations(changed), module, "exec"), qualname)
    yield Mutant(module, qualname, line, before, after, code)


def _is_in_text(function: ast.FunctionDef, node: ast.AST) -> bool:
    """What only makes words: a message, the text of an assertion, the name of a type."""
    for above in ast.walk(function):
        inside: list[ast.AST] = []
        if isinstance(above, ast.JoinedStr):
            inside = list(ast.walk(above))
        elif isinstance(above, ast.Assert) and above.msg is not None:
            inside = list(ast.walk(above.msg))
        elif isinstance(above, ast.AnnAssign):
            inside = list(ast.walk(above.annotation))
        elif isinstance(above, ast.Expr) and isinstance(above.value, ast.Call):
            inside = [above] if getattr(above.value.func, "id", "") == "assert_never" else []
        elif isinstance(above, ast.Call) and getattr(above.func, "attr", "") == "say":
            inside = [part for argument in above.args for part in ast.walk(argument)]
        elif isinstance(above, ast.Assign) and isinstance(above.value, ast.JoinedStr | ast.Constant):
            target = above.targets[0]
            inside = [above] if isinstance(target, ast.Name) and target.id in ("text", "why") else []
        if any(part is node for part in inside):
            return True
    return False


def _is_in_head(function: ast.FunctionDef, node: ast.AST) -> bool:
    """Names of types, defaults and decorators are no behaviour of the body."""
    head = (function.args, *function.decorator_list, *([function.returns] if function.returns else []))
    return any(part is node for above in head for part in ast.walk(above))


def _changed(node: ast.AST, variant: int) -> ast.AST:
    match node:
        case ast.Compare():
            node.ops[variant] = _OTHER_COMPARE[type(node.ops[variant])]()
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.UnaryOp(operand=operand):
            return operand
        case ast.If(test=test) | ast.IfExp(test=test):
            node.test = ast.UnaryOp(ast.Not(), test)
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            node.op = _OTHER_OPERATOR[type(op)]()
        case ast.Constant(value=value):
            node.value = not value if isinstance(value, bool) else int(str(value)) + 1
        case ast.Name(id=name):
            node.id = _OTHER_NAME[name]
        case ast.Continue():
            return ast.Break()
        case _:
            return ast.Pass()
    return node


def _put(function: ast.FunctionDef, node: ast.AST, other: ast.AST) -> None:
    for above in ast.walk(function):
        for name, value in ast.iter_fields(above):
            if value is node:
                setattr(above, name, other)
            elif isinstance(value, list):
                value[:] = [other if one is node else one for one in value]


def _shown(node: ast.AST) -> str:
    text = f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(node)
    return " ".join(text.split())


def _code_of(code: CodeType, qualname: str) -> CodeType:
    for name in qualname.split("."):
        code = next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name)
    return code
