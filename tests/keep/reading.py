"""Reads a sidecar back the way an XMP reader does."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
NAMES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.digikam.org/ns/1.0/": "digiKam",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://www.fstopapp.com/xmp/": "fstop",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "urn:outpour:xmp:1.0:": "outpour",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
}


@dataclass
class Sidecar:
    """Simple properties and lists by their usual names; a list's kind beside it."""

    plain: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


def read(data: bytes) -> Sidecar:
    root = ElementTree.fromstring(data)
    assert root.tag == "{adobe:ns:meta/}xmpmeta"
    (description,) = root.findall(f"{RDF}RDF/{RDF}Description")
    found = Sidecar()
    for key, value in description.attrib.items():
        if not key.startswith(RDF):
            found.plain[_name(key)] = value
    for element in description:
        name = _name(element.tag)
        assert name not in found.plain | found.lists, "a property stands once"
        if len(element):
            (array,) = element
            found.kinds[name] = array.tag.removeprefix(RDF)
            found.lists[name] = [item.text or "" for item in array]
        else:
            found.plain[name] = element.text or ""
    return found


def _name(tag: str) -> str:
    uri, _, local = tag[1:].partition("}")
    return f"{NAMES[uri]}:{local}"
