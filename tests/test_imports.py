"""The architecture rule: imports run one way.

The rooms of the engine, in the order of ``LAYERS`` -> connectors.registry -> connectors.base <-
connectors.<place>. A place that imported another, or the engine, could no longer be replaced or
shipped apart; product code that imported the doubles could behave differently under test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = {
    "abilities",
    "adapter",
    "base",
    "checksums",
    "errors",
    "durable",
    "flushing",
    "grants",
    "headers",
    "network_errors",
    "patience",
    "pools",
    "private",
    "certificates",
    "registry",
    "sending",
    "spelling",
    "streams",
}


@cache
def modules() -> dict[str, set[str]]:
    """What each module of the product imports."""
    found = {}
    for top in ("connectors", "pipeline", "sandbox"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = set(imported(path, name))
    return found


def imported(path: Path, name: str) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            prefix = ".".join(base) if node.level else ""
            stem = ".".join(part for part in (prefix, node.module or "") if part)
            yield stem
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def place(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "connectors" else ""


def allowed(importer: str, target: str) -> bool:
    top = target.split(".")[0]
    if top not in {"connectors", "pipeline", "sandbox"}:
        return True
    if importer.startswith("connectors"):
        shared = place(target) in SHARED | {""}
        own = place(target) == place(importer) and place(importer) not in SHARED
        return top == "connectors" and (shared or own)
    if importer.startswith("pipeline"):
        # The engine asks the registry; it never names a place.
        return top == "pipeline" or (top == "connectors" and place(target) in SHARED | {""})
    # The doubles stand alone; only their commands drive the product.
    return top == "sandbox" or importer == "sandbox.cli"


def test_imports_run_one_way() -> None:
    assert [
        f"{name} may not import {target}"
        for name, targets in modules().items()
        for target in sorted(targets)
        if not allowed(name, target)
    ] == []


LAYERS = (
    "cli", "display", "batch", "reclaim", "runner", "stages",
    "together", "report", "ledger", "keep", "config",
)  # fmt: skip


def test_every_room_of_the_engine_has_its_place_in_the_order() -> None:
    rooms = {path.parent.name for path in ROOT.glob("pipeline/*/__init__.py")}
    assert rooms == set(LAYERS)
    told = " -> ".join(LAYERS)
    assert told in " ".join((ROOT / "docs" / "architecture.md").read_text().split())


def test_the_engine_is_layered() -> None:
    """A lower layer of the engine never imports a higher one."""
    rank = {layer: index for index, layer in enumerate(LAYERS)}
    for name, targets in modules().items():
        parts = name.split(".")
        if parts[0] != "pipeline" or len(parts) < 2 or parts[1] not in rank:
            continue
        for target in targets:
            other = target.split(".")
            if other[0] == "pipeline" and len(other) > 1 and other[1] in rank:
                assert rank[other[1]] >= rank[parts[1]], f"{name} imports {target}"


KNOW_THE_LEDGER = {"pipeline.routing", "pipeline.selection"}


def room(name: str) -> str:
    """Of the engine; "" for what lies beside its rooms."""
    parts = name.split(".")
    return parts[1] if parts[0] == "pipeline" and len(parts) > 1 and parts[1] in LAYERS else ""


def test_what_lies_beside_the_rooms_serves_all_of_them() -> None:
    """It uses none of them; two modules know the ledger, which does not know them."""
    below = set(LAYERS[LAYERS.index("ledger") :])
    for name, targets in modules().items():
        used = {room(target) for target in targets} - {""}
        if name.startswith("pipeline.") and not room(name):
            assert used <= (below if name in KNOW_THE_LEDGER else set()), name
        if room(name) in below:
            assert not KNOW_THE_LEDGER & targets, name


def test_the_engine_knows_no_screen() -> None:
    """What a person sees can be another thing altogether: a page, a log, a program's own window."""
    front = ("pipeline.cli", "pipeline.display")
    for name, targets in modules().items():
        if name.startswith("pipeline") and not name.startswith(front):
            assert not [target for target in targets if target.startswith(front)], name


def test_the_gpl_package_is_imported_in_one_file() -> None:
    """pymobiledevice3 is GPL-3.0 and an extra: all that touches it can be replaced at once."""
    users = {name for name, targets in modules().items() if any(map(_is_gpl, targets))}
    assert users == {"connectors.iphone.device"}


def _is_gpl(target: str) -> bool:
    return target.split(".")[0] == "pymobiledevice3"


def test_sql_is_spoken_in_three_rooms_only() -> None:
    """The ledger, what is joined into it and what is reported from it."""
    users = {
        name
        for name, targets in modules().items()
        if any(t.startswith("sqlalchemy") for t in targets)
    }
    rooms = {".".join(name.split(".")[:2]) for name in users}
    assert rooms == {"pipeline.ledger", "pipeline.report", "pipeline.together"}


def test_the_connector_guide_names_every_ability() -> None:
    tree = ast.parse((ROOT / "connectors" / "abilities.py").read_text())
    abilities = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(getattr(one, "id", "") == "runtime_checkable" for one in node.decorator_list)
    }
    guide = (ROOT / "docs" / "connectors.md").read_text()
    assert {name for name in abilities if f"`{name}`" not in guide} == set()
