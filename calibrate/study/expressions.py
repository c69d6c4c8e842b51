"""Expressions: parameters derived from others, as in N_I = {expression = "N_E / 4"}."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from calibrate.errors import StudyError

_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # on floats: powers of large integers could take forever
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "max": max,
    "min": min,
    "round": round,
    "sqrt": math.sqrt,
}
_LONGEST = 500
_DEEPEST = 200


@dataclass(frozen=True)
class Expression:
    """Arithmetic on parameters: + - * / // % **, parentheses, abs ceil exp floor log max min round sqrt.

    A parameter whose name is not a Python name must be quoted: "1 + R_J * ('J_E+' - 1)".
    """

    text: str

    def __post_init__(self) -> None:
        if len(self.text) > _LONGEST:
            raise StudyError(f"the expression is longer than {_LONGEST} characters")
        try:
            tree = self._tree()
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise StudyError(f"'{self.text}' is not an expression, such as N_E / 4") from None
        if _depth(tree) > _DEEPEST:
            raise StudyError(f"'{self.text}' is nested more than {_DEEPEST} levels deep")
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and type(node.value) not in (int, float, str):
                raise StudyError(f"'{self.text}': {node.value!r} is neither a number nor a parameter")
        _ = self.names

    def _tree(self) -> ast.expr:
        with warnings.catch_warnings():  # about syntax that Python will reject in future
            warnings.simplefilter("ignore")
            return ast.parse(self.text.strip(), mode="eval").body

    @property
    def names(self) -> frozenset[str]:
        """The parameters that it uses; raises StudyError for what an expression cannot contain."""
        return frozenset(_names(self._tree(), self.text))

    def __call__(self, parameters: Mapping[str, Any]) -> float | int:
        """Evaluate it; raise StudyError if that is not possible."""
        try:
            value: float | int = _value(self._tree(), parameters)
            finite = math.isfinite(value)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise StudyError(f"it cannot be evaluated: {error}") from None
        if not finite:
            raise StudyError(f"it cannot be evaluated: the result is {value}")
        return value


def _depth(tree: ast.expr) -> int:
    """Return the depth of nesting; computed level by level, since Python limits the depth of recursion."""
    depth, level = 0, [tree]
    while level:
        depth, level = (
            depth + 1,
            [inner for node in level for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.expr)],
        )
    return depth


def _names(node: ast.expr, text: str) -> Iterable[str]:
    match node:
        case ast.Constant(value=str(name)) | ast.Name(id=name):
            yield name
        case ast.Constant():
            pass
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _OPERATORS:
            yield from _names(operand, text)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            yield from _names(left, text)
            yield from _names(right, text)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if (
            name in _FUNCTIONS and arguments
        ):
            for argument in arguments:
                yield from _names(argument, text)
        case _:
            raise StudyError(
                f"'{text}': an expression can contain only numbers, parameters, + - * / // % **, "
                f"{', '.join(_FUNCTIONS)}"
            )


def _value(node: ast.expr, parameters: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=str(name)) | ast.Name(id=name):
            return parameters[name]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=sign, operand=operand):
            return _OPERATORS[type(sign)](_value(operand, parameters))
        case ast.BinOp(left=left, op=sign, right=right):
            return _OPERATORS[type(sign)](_value(left, parameters), _value(right, parameters))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_value(argument, parameters) for argument in arguments))
    raise AssertionError(node)  # `names` has rejected it


def ordered(expressions: Mapping[str, Expression]) -> dict[str, Expression]:
    """Sort expressions, each after those it depends on. Raises StudyError for circular dependencies."""
    needs = {name: expression.names & expressions.keys() for name, expression in expressions.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise StudyError(
            f"the expressions depend on each other in a circle: {' -> '.join(error.args[1])}"
        ) from None
    return {name: expressions[name] for name in order}
