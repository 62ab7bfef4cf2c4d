"""What a field means, from the docstring under it in its model: written once, shown everywhere.

Read from the source when it is asked for: to read it at every import would slow every command.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


def description(model: type[BaseModel], name: str) -> str:
    """What a field of the model means, as one sentence or a few.

    A model that narrows a field, such as ``type``, keeps the words of the base class.

    Raises:
        LookupError: nobody has written it.

    """
    for base in model.__mro__:
        if text := _written(base.__module__).get((base.__name__, name)):
            return text
        if base is BaseModel:
            break
    raise LookupError(f"{model.__name__}.{name} has no docstring; write one under it")


class DescribedSchema(GenerateJsonSchema):
    """JSON Schema in which every property of a model has its description."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """The schema of one model."""
        shown = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        for name, field in model.model_fields.items():
            shown["properties"][field.alias or name]["description"] = description(model, name)
        return shown


@cache
def _written(module: str) -> Mapping[tuple[str, str], str]:
    """(class, field) → the docstring under it."""
    source = getsource(sys.modules[module]) if module.startswith("mailsla.schemas") else ""
    return {
        (body.name, name): " ".join(cleandoc(text).split()).replace("``", "`")
        for body in ast.parse(source).body
        if isinstance(body, ast.ClassDef)
        for name, text in _under_fields(body)
    }


def _under_fields(body: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(body.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                yield name, words
            case _:
                pass
