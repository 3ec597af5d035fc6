"""Writes docs/bench-schema.json, the JSON Schema of `neatctl bench --json`: `python tools/bench_schema.py FILE`.

It is made from the records in neatctl/testbed/bench/results.py. The file is committed; tests/test_house.py makes it
again and compares, so that it cannot drift.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from neatctl.testbed.bench import results


def sentences() -> dict[str, dict[str, str]]:
    """What the sources say of each field: the string below it, by record and field."""
    import ast

    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(results)).body:
        if isinstance(node, ast.ClassDef):
            fields = found.setdefault(node.name, {})
            for field, below in zip(node.body, node.body[1:]):
                said = below.value if isinstance(below, ast.Expr) else None
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(said, ast.Constant)
                ):
                    fields[field.target.id] = " ".join(str(said.value).split())
    return found


def schema() -> dict[str, Any]:
    """The schema, with a description wherever the sources have one."""
    made = results.json_schema()
    for name, fields in sentences().items():
        properties = made["$defs"].get(name, {}).get("properties", {})
        for field, sentence in fields.items():
            if field in properties:
                properties[field]["description"] = sentence
    return made


def page() -> str:
    """The whole file."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
