"""Checks requests against the discovery document that Google's own client ships.

Paths, query parameters with their types, bounds and enums, body fields with theirs, and the
``fields`` masks of answers: what the document does not name is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any

from sandbox.gdrive.refusal import Refused, bad, invalid

Mask = Mapping[str, Any]
"""Chosen fields, each with the mask below it; an empty one means everything below."""

_UPLOAD = {"uploadType": {"type": "string"}, "upload_id": {"type": "string"}}
_COERCED = {"pageSize"}  # "values above 1000 will be coerced to 1000"
_TOKEN = re.compile(r"[A-Za-z0-9_*]+|[/,()]")


@dataclass(frozen=True)
class Method:
    """One method of the API. ``response`` names the schema of its answer."""

    id: str
    verb: str
    path: re.Pattern[str]
    parameters: Mapping[str, Any]
    request: str | None
    response: str | None
    scopes: frozenset[str]


class Discovery:
    def __init__(self) -> None:
        folder = resources.files("googleapiclient.discovery_cache.documents")
        document = json.loads((folder / "drive.v3.json").read_text())
        self.schemas: dict[str, Any] = document["schemas"]
        self._global = document["parameters"]
        self.base = "/" + document["servicePath"]
        self._methods = list(self._collect(document))
        self.mask = lru_cache(1024)(self._mask)

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]]:
        """The method for a path below ``base``, and the values in the path."""
        for method in self._methods:
            if method.verb == verb and (found := method.path.fullmatch(path)):
                return method, found.groupdict()
        raise Refused(404, "notFound", f"no method {verb} {path}")

    def check_query(self, method: Method, query: Mapping[str, str], *, upload: bool) -> None:
        for name, value in query.items():
            spec = method.parameters.get(name) or self._global.get(name)
            if spec is None and upload:
                spec = _UPLOAD.get(name)
            if spec is None or spec.get("location") == "path":
                raise bad(f"Unknown parameter {name} of {method.id}", "invalidParameter", name)
            _check_value(name, value, spec)
        for name, spec in method.parameters.items():
            if spec.get("required") and spec["location"] == "query" and name not in query:
                raise bad(f"Required parameter: {name}", "required", name)

    def check_body(self, schema: str, body: Any) -> None:
        """Unknown fields, wrong types and output-only fields are refused."""
        if not isinstance(body, dict):
            raise bad("The body is not a JSON object", "parseError")
        properties = self.schemas[schema]["properties"]
        for name, value in body.items():
            spec = properties.get(name)
            if spec is None:
                raise bad(f'Unknown name "{name}": Cannot find field.', "badRequest", name)
            if spec.get("readOnly") or spec.get("description", "").startswith(
                ("Output only", "Deprecated: Output only")
            ):
                message = "The resource body includes fields which are not directly writable."
                raise Refused(403, "fieldNotWritable", message)
            self._check_type(name, value, spec)

    def _check_type(self, name: str, value: Any, spec: Mapping[str, Any]) -> None:
        if "$ref" in spec:
            self.check_body(spec["$ref"], value)
            return
        kind = spec.get("type")
        good = {
            "string": isinstance(value, str),
            "boolean": isinstance(value, bool),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "array": isinstance(value, list),
            "object": isinstance(value, dict),
        }.get(str(kind), True)
        if not good:
            raise bad(f"Invalid value at '{name}': want {kind}", "badRequest", name)
        if spec.get("format") == "date-time":
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                raise bad(f"Invalid value at '{name}': no date-time", "badRequest", name) from None
            if moment.tzinfo is None:
                raise bad(f"Invalid value at '{name}': no time zone", "badRequest", name)
        if kind == "array":
            for item in value:
                self._check_type(name, item, spec["items"])
        if kind == "object" and "additionalProperties" in spec:
            for key, item in value.items():
                if item is not None:
                    self._check_type(f"{name}.{key}", item, spec["additionalProperties"])
        elif kind == "object":
            inner = spec.get("properties", {})
            for key, item in value.items():
                if key not in inner:
                    raise bad(f"Unknown name \"{key}\" at '{name}'", "badRequest", name)
                self._check_type(key, item, inner[key])

    def _mask(self, schema: str, text: str) -> Mask:
        tokens = _TOKEN.findall(text)
        if "".join(tokens) != text.replace(" ", ""):
            raise invalid("fields", text)
        mask = self._group(schema, tokens, {"$ref": schema})
        if tokens:
            raise invalid("fields", text)
        return mask

    def _group(self, schema: str, tokens: list[str], spec: Mapping[str, Any]) -> dict[str, Any]:
        """Read ``a,b(c,d),e/f`` up to a closing bracket or the end."""
        mask: dict[str, Any] = {}
        while tokens and tokens[0] != ")":
            name = tokens.pop(0)
            inner = self._inside(spec).get(name)
            if name == "*":
                mask[name] = {}
            elif inner is None:
                raise bad(f"Invalid field selection {name}", "invalidParameter", "fields")
            elif tokens[:1] == ["("]:
                tokens.pop(0)
                mask[name] = self._group(schema, tokens, inner)
                if tokens[:1] != [")"]:
                    raise invalid("fields", name)
                tokens.pop(0)
            elif tokens[:1] == ["/"]:
                tokens.pop(0)
                rest = [tokens.pop(0)] if tokens else []
                while tokens[:1] == ["/"]:
                    rest += [tokens.pop(0), tokens.pop(0)]
                mask.setdefault(name, {}).update(self._group(schema, rest, inner))
            else:
                mask[name] = {}
            if tokens[:1] == [","]:
                tokens.pop(0)
        return mask

    def _inside(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in spec or spec.get("type") == "array":
            spec = self.schemas[spec["$ref"]] if "$ref" in spec else spec["items"]
        found: Mapping[str, Any] = spec.get("properties", {})
        return found

    def _collect(self, level: Mapping[str, Any]) -> list[Method]:
        methods = []
        for inner in level.get("resources", {}).values():
            methods += self._collect(inner)
        for found in level.get("methods", {}).values():
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(found["path"]))
            methods.append(
                Method(
                    found["id"],
                    found["httpMethod"],
                    re.compile(pattern),
                    found.get("parameters", {}),
                    found.get("request", {}).get("$ref"),
                    found.get("response", {}).get("$ref"),
                    frozenset(found.get("scopes", ())),
                )
            )
        # A fixed word such as generateIds comes before a path parameter.
        return sorted(methods, key=lambda method: "(?P<" in method.path.pattern)


def _check_value(name: str, value: str, spec: Mapping[str, Any]) -> None:
    kind = spec.get("type")
    if kind == "boolean" and value not in ("true", "false"):
        raise invalid(name, value)
    if kind == "integer":
        if not re.fullmatch(r"-?\d+", value):
            raise invalid(name, value)
        low, high = int(spec.get("minimum", value)), int(spec.get("maximum", value))
        if int(value) < low or (int(value) > high and name not in _COERCED):
            raise invalid(name, value)
    if "enum" in spec and value not in spec["enum"]:
        raise invalid(name, value)


def masked(value: Any, mask: Mask) -> Any:
    """Only what the mask chooses."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    return {name: masked(value[name], below) for name, below in mask.items() if name in value}
