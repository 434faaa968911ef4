"""The instructions of an edit, as Photos keeps them beside the rendered file."""

from __future__ import annotations

import plistlib

from sandbox.library.content import Content
from sandbox.library.model import Asset

FORMAT = "com.apple.photo"
VERSION = "1.5"


def instructions(asset: Asset) -> bytes:
    return f"{asset.id}/{asset.revision}".encode()


def envelope(asset: Asset) -> Content:
    return Content.of(
        plistlib.dumps(
            {
                "adjustmentBaseVersion": 0,
                "adjustmentData": instructions(asset),
                "adjustmentFormatIdentifier": FORMAT,
                "adjustmentFormatVersion": VERSION,
            }
        )
    )
