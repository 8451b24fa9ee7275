"""The JSON Schema of a manifest, for editors: read off the same shape that a file is read by.

Stricter than `ring apply` in one point: a field that apply ignores with a warning does not fit the
schema, so that an editor marks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ring.core.model import shapes
from ring.core.model.spec import RANGE
from ring.manifest import fields
from ring.manifest.layout import CONFIG, SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.core.model.shapes import Shape
    from ring.manifest.fields import Field

Schema = dict[str, Any]

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""What editors read best."""
_SCALAR: Final = ("string", "number", "boolean")
"""Where a string is wanted, a number or boolean is taken as it is written."""
_NULL: Final[Schema] = {"type": "null"}
_REFERENCE: Final[Schema] = {"type": "string", "pattern": r"\$[A-Za-z]"}
_RANGE: Final[Schema] = {"type": "string", "pattern": RANGE}


def document() -> Schema:
    """The whole schema, always in the same order."""
    root = _object(fields.top())
    return {
        "$schema": DRAFT,
        "title": "Ring manifest",
        "description": "What `ring apply` reads.",
        **root,
        "patternProperties": {"^x-": True},
        "anyOf": [{"required": [section]} for section in SECTIONS],
    }


def _object(members: Iterable[Field]) -> Schema:
    members = tuple(members)
    schema: Schema = {
        "type": "object",
        "properties": {field.path[-1]: _field(field) for field in members},
        "additionalProperties": False,
    }
    required = [field.path[-1] for field in members if field.member.required]
    return schema | ({"required": required} if required else {})


def _field(field: Field) -> Schema:
    schema: Schema = {"description": _description(field)}
    if field.member.default is not None:
        schema["default"] = field.member.default
    found = _value(field.member.shape, field)
    return schema | (found if field.member.required else _or_null(found))


def _description(field: Field) -> str:
    text = field.member.description
    if not field.is_available:
        return f"Not available in this version. {text}"
    if field.missing:
        return f"{text} Not available in this version: {', '.join(field.missing)}."
    return text


def _value(shape: Shape, field: Field) -> Schema:  # noqa: PLR0911 - one return a kind of shape
    match shape:
        case shapes.Text(words):
            return _text(words, field)
        case shapes.Choice(values):
            return {"enum": list(values)}
        case shapes.Flag():
            return {"type": "boolean"}
        case shapes.Number():
            return {"type": "number"}
        case shapes.Whole():
            return _whole(shape)
        case shapes.ListOf(item):
            return {"type": "array", "items": _value(item, field)}
        case shapes.MapOf(value, listed):
            one = {"type": "object", "additionalProperties": _value(value, field)}
            return {"anyOf": [one, {"type": "array", "items": one}]} if listed else one
        case shapes.Either(scalar, record):
            return {"anyOf": [_value(scalar, field), _value(record, field)]}
        case shapes.Variant():
            return {"oneOf": [_case(shape, case, field) for case in shape.cases]}
        case shapes.Object():
            return _record(shape, field)
        case _:
            return {}


def _text(words: tuple[str, ...], field: Field) -> Schema:
    if not words:
        return {"type": list(_SCALAR)}
    known: Schema = {"enum": list(words)}
    return {"anyOf": [known, _REFERENCE]} if field.is_replaced else known


def _whole(shape: shapes.Whole) -> Schema:
    schema: Schema = {"type": "integer"}
    if shape.low is not None:
        schema["minimum"] = shape.low
    if shape.high is not None:
        schema["maximum"] = shape.high
    return {"anyOf": [schema, _RANGE]} if shape.ranges else schema


def _record(shape: shapes.Object, field: Field) -> Schema:
    schema = _object(field.below())
    if shape is CONFIG:
        schema["anyOf"] = [{"required": ["data"]}, {"required": ["files"]}]
    return schema


def _case(shape: shapes.Variant, case: str, field: Field) -> Schema:
    held = [member for member in field.below() if not member.cases or case in member.cases]
    schema = _object(held)
    tag = schema["properties"][shape.tag]
    schema["properties"][shape.tag] = {"description": tag["description"], "const": case}
    return schema


def _or_null(schema: Schema) -> Schema:
    """An explicit null is an absent field."""
    match schema:
        case {"type": str(one)}:
            return schema | {"type": [one, "null"]}
        case {"type": list(several)}:
            return schema | {"type": [*several, "null"]}
        case {"enum": list(values)}:
            return schema | {"enum": [*values, None]}
        case {"anyOf": list(options)}:
            return schema | {"anyOf": [*options, _NULL]}
        case _:
            return schema
