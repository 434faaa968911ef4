"""Files, drives and the account as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.gdrive.store import Node, SharedDrive, Store

USER = "07012345678901234567"
"""Whose Drive it is."""
_ORGANIZERS = {"organizer", "fileOrganizer"}
_WRITERS = {*_ORGANIZERS, "writer"}


def file(node: Node, app: str, *, trashed: bool) -> dict[str, Any]:
    """All fields of a file that ``app`` may see."""
    shown: dict[str, Any] = {
        "kind": "drive#file",
        "id": node.id,
        "name": node.name,
        "mimeType": node.mime,
        "starred": node.starred,
        "trashed": trashed,
        "explicitlyTrashed": node.trashed,
        "parents": [node.parent],
        "spaces": ["drive"],
        "createdTime": written(node.created),
        "modifiedTime": written(node.modified),
        "version": "1",
    }
    if node.size is not None:
        shown |= {
            "size": str(node.size),
            "quotaBytesUsed": str(node.size),
            "md5Checksum": node.md5,
            "originalFilename": node.name,
        }
        if node.sha256:
            shown["sha256Checksum"] = node.sha256
    if node.description:
        shown["description"] = node.description
    if node.app_properties and node.app == app:  # private to the app that set them
        shown["appProperties"] = node.app_properties
    if node.properties:
        shown["properties"] = node.properties
    if node.drive:
        shown["driveId"] = node.drive
    else:
        shown["ownedByMe"] = True
    return shown


def about(store: Store, *, person: bool) -> dict[str, Any]:
    quota = {
        "usage": str(store.used + store.other),
        "usageInDrive": str(store.used),
        "usageInDriveTrash": str(sum(n.size or 0 for n in store.nodes.values() if n.trashed)),
    }
    if store.limit is not None:
        quota["limit"] = str(store.limit if person else 0)
    return {
        "kind": "drive#about",
        "user": {
            "kind": "drive#user",
            "displayName": "Sam Example",
            "emailAddress": "sam@example.com",
            "permissionId": USER,
            "me": True,
        },
        "storageQuota": quota,
        "maxUploadSize": "5497558138880",
        "canCreateDrives": False,
    }


def drive(found: SharedDrive) -> dict[str, Any]:
    return {
        "kind": "drive#drive",
        "id": found.id,
        "name": found.name,
        "capabilities": {"canAddChildren": found.role in _WRITERS},
    }


def may_write(found: SharedDrive) -> bool:
    return found.role in _WRITERS


def may_trash(found: SharedDrive) -> bool:
    """A writer may change names and content, and move nothing to the bin of a shared drive.
    Source: Drive API guide "Roles and permissions"."""
    return found.role in _ORGANIZERS


def written(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def read(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
