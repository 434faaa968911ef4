"""The JSON schema of pipeline files, for editors that complete and check YAML.

It holds the settings of every installed connector, each with only the sides it has.
"""

from __future__ import annotations

from typing import Any

from connectors import registry
from connectors.errors import Misconfigured
from connectors.registry import Connector
from pipeline.config.models import Choices

_SHORT = {
    "type": "string",
    "description": "Short form: type[:location], or a folder such as ./Photos",
}


def schema() -> dict[str, Any]:
    """A JSON schema (draft 2020-12) for pipeline files."""
    root = Choices.model_json_schema(mode="validation", ref_template="#/$defs/{model}")
    definitions = root.setdefault("$defs", {})
    sides: dict[str, list[dict[str, str]]] = {"source": [], "sink": []}
    for name in registry.names():
        connector = _installed(name)
        if connector is None:
            continue
        definitions[name] = _place(name, connector, definitions)
        for side, make in (("source", connector.source), ("sink", connector.sink)):
            if make is not None:
                sides[side].append({"$ref": f"#/$defs/{name}"})
    root["properties"] |= {
        "each": {
            "type": "string",
            "description": "A CSV file: the pipeline stands for one for each of its rows, which "
            "fill in every ${column}. The first column names the rows.",
        },
        "source": {
            "description": "Where assets come from; a list stands in order of preference.",
            **_one_or_more(sides["source"]),
        },
        "sinks": {
            "description": "Where copies are kept; 'route' says which assets go to which.",
            **_one_or_more(sides["sink"]),
        },
    }
    root["required"] = ["source", "sinks"]
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    root["title"] = "Outpour pipeline"
    root["description"] = "Where a photo library comes from, where it goes, and how."
    return root


def _one_or_more(known: list[dict[str, str]]) -> dict[str, Any]:
    one: list[dict[str, Any]] = [_SHORT, *known]
    return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}]}


def _installed(name: str) -> Connector[Any] | None:
    try:
        return registry.get(name)
    except Misconfigured:
        return None  # its extra is missing: nothing is known of its settings


def _place(name: str, connector: Connector[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    place: dict[str, Any] = connector.settings.model_json_schema(ref_template="#/$defs/{model}")
    definitions |= place.pop("$defs", {})
    place["properties"] = {
        "type": {"const": name},
        "name": {"type": "string", "description": "Name in reports; by default the type."},
        **place.get("properties", {}),
    }
    place["required"] = ["type", *place.get("required", [])]
    return place
