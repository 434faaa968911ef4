"""Logs of the libraries that speak with Apple, made fit to be shown."""

from __future__ import annotations

import logging
import re


class _NoQueries(logging.Filter):
    """Drops query strings: pyicloud and urllib3 log whole signed URLs at DEBUG level."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"\?[^\s\"'<>]+", "?…", record.getMessage())
        record.args = ()
        return True


_LOGGERS = (
    "pyicloud.base",
    "pyicloud.common.cloudkit.client",
    "pyicloud.hsa2_bridge",
    "pyicloud.services.photos_cloudkit.upload",
    "pyicloud.session",
    "urllib3.connectionpool",
)


def keep_logs_clean() -> None:
    """Make these libraries' logs fit to be shown. Repeating changes nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _NoQueries) for known in logger.filters):
            logger.addFilter(_NoQueries())
