"""The contract as data, and a check of JSON against its schemas.

Of JSON Schema it knows the keywords that `openapi.yaml` uses; any other is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import yaml

import nearproof.daemon.backend as backend_room

KEYWORDS = {
    "$ref",
    "additionalProperties",
    "contentEncoding",
    "contentMediaType",
    "description",
    "enum",
    "items",
    "maxLength",
    "maximum",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
}
TYPES: dict[str, type] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}


class Document:
    """`openapi.yaml`, read."""

    def __init__(self) -> None:
        path = Path(backend_room.__path__[0]) / "openapi.yaml"
        self.root = yaml.safe_load(path.read_text())

    def resolve(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            found = self.root
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def operations(self) -> set[tuple[str, str]]:
        return {
            (method.upper(), path)
            for path, methods in self.root["paths"].items()
            for method in methods
        }

    def responses(self) -> set[tuple[str, str, str]]:
        """Method, path and status (or class: 4XX) of everything that is declared."""
        return {
            (method.upper(), path, status)
            for path, methods in self.root["paths"].items()
            for method, operation in methods.items()
            for status in operation["responses"]
        }

    def check_answer(self, method: str, path: str, response: httpx2.Response) -> str:
        """Fail unless the contract declares this answer to this operation; the status it does."""
        status = str(response.status_code)
        responses = self.root["paths"][path][method.lower()]["responses"]
        found = next((name for name in (status, f"{status[0]}XX") if name in responses), None)
        assert found is not None, f"{method} {path} does not declare {status}"
        content = self.resolve(responses[found]).get("content")
        if content is None:
            assert response.content == b""
            return found
        media = response.headers["content-type"].partition(";")[0]
        assert media in content, f"{method} {path} answers {media}"
        if media.endswith("json"):
            self.check(content[media]["schema"], response.json())
        return found

    def check(self, schema: Any, value: Any, where: str = "$") -> None:
        """Fail unless `value` fits the schema."""
        schema = self.resolve(schema)
        assert set(schema) <= KEYWORDS, f"unknown keywords at {where}: {set(schema) - KEYWORDS}"
        kind = TYPES[schema["type"]]
        of_kind = type(value) is kind  # exactly: True is no integer
        assert of_kind, f"{where} is {value!r}, not {schema['type']}"
        assert value in schema.get("enum", [value]), f"{where} is {value!r}"
        assert value >= schema.get("minimum", value) if kind is int else True, where
        if kind is str:
            assert re.search(schema.get("pattern", ""), value), f"{where} is {value!r}"
            assert len(value) <= schema.get("maxLength", len(value)), where
        if kind is list:
            for index, item in enumerate(value):
                self.check(schema["items"], item, f"{where}[{index}]")
        if kind is dict:
            self._check_object(schema, value, where)

    def _check_object(self, schema: Any, value: dict[str, Any], where: str) -> None:
        properties = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{where} lacks {missing}"
        # Our own answers hold nothing that the contract does not name.
        assert set(value) <= set(properties), f"{where} has {set(value) - set(properties)} too"
        for name, inner in value.items():
            self.check(properties[name], inner, f"{where}.{name}")
