"""JSON Schemas of records, with what their sources say of each field: the string below it."""

from __future__ import annotations

import ast
import inspect
import json
from types import ModuleType
from typing import Any

import msgspec


def schema_of(record: type[msgspec.Struct], module: ModuleType) -> dict[str, Any]:
    """The schema of a record that `module` declares, with a description wherever the module has one."""
    return described(msgspec.json.schema(record), module)


def described(schema: dict[str, Any], module: ModuleType) -> dict[str, Any]:
    """The same schema with the descriptions of fields."""
    for name, fields in _sentences(module).items():
        properties = schema["$defs"].get(name, {}).get("properties", {})
        for field, sentence in fields.items():
            if field in properties:
                properties[field]["description"] = sentence
    return schema


def page(schema: dict[str, Any]) -> str:
    """As it is printed and committed."""
    return json.dumps(schema, indent=1) + "\n"


def _sentences(module: ModuleType) -> dict[str, dict[str, str]]:
    """What the source says of each field, by record and field; a record has those of what it is made of, too."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        fields: dict[str, str] = {}
        for base in node.bases:
            fields |= found.get(base.id, {}) if isinstance(base, ast.Name) else {}
        for field, below in zip(node.body, node.body[1:]):
            said = below.value if isinstance(below, ast.Expr) else None
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(said, ast.Constant)
            ):
                fields[field.target.id] = " ".join(str(said.value).split())
        found[node.name] = fields
    return found
