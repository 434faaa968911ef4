"""How sessions of requests connect. Apart from ``pools``, as requests takes a while to import."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema
from urllib3 import ProxyManager
from urllib3.exceptions import ProxySchemeUnknown

from connectors.pools import check_proxy, unusable
from connectors.sending import SOCKET_OPTIONS, steady


class Adapter(HTTPAdapter):
    """Keeps ``connections`` to each host, for as many threads. It repeats no request."""

    def __init__(self, connections: int) -> None:
        super().__init__(pool_maxsize=connections)

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        for proxy in (options.get("proxies") or {}).values():
            check_proxy(proxy)
        return super().send(request, *arguments, **options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, socket_options=SOCKET_OPTIONS, **options)
        steady(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        try:
            made = super().proxy_manager_for(proxy, socket_options=SOCKET_OPTIONS, **kwargs)
            if isinstance(made, ProxyManager):  # not what an extra of requests brings for SOCKS
                steady(made)
            return made
        except (InvalidSchema, ProxySchemeUnknown) as error:
            raise unusable(proxy) from error
