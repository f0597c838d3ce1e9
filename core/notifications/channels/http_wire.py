"""Lets `requests` connect through a `Wire`. Imported only where `requests` is already wanted."""

from __future__ import annotations

import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from core.notifications.channels.line import Wire


def wired_adapter(wire: Wire) -> HTTPAdapter:
    """An adapter all of whose connections belong to `wire`, those to an HTTP proxy too."""

    class WiredHttp(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return wire.connect(self._dns_host, self.port or 80)

    class WiredHttps(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return wire.connect(self._dns_host, self.port or 443)

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = WiredHttp

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = WiredHttps

    pools = {"http": HttpPool, "https": HttpsPool}

    class WiredAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **kwargs)
            if not proxy.lower().startswith("socks"):  # those connect in a way of their own
                manager.pool_classes_by_scheme = pools
            return manager

    return WiredAdapter()
