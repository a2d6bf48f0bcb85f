"""A small client of the workspace's REST API, of the standard library alone."""
from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class ApiError(Exception):
    """What the workspace answered instead of a result."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.status, self.error_code, self.message = status, code, message


class Api:
    """Calls as the user of a token. Without arguments: DATABRICKS_HOST and DATABRICKS_TOKEN."""

    def __init__(self, host: str | None = None, token: str | None = None):
        self._host, self._token = host, token
        self._opener: urllib.request.OpenerDirector | None = None

    @property
    def host(self) -> str:
        host = self._host or os.environ.get("DATABRICKS_HOST", "")
        if not host:
            raise RuntimeError("not connected to a workspace: set DATABRICKS_HOST and DATABRICKS_TOKEN")
        return (host if "://" in host else "https://" + host).rstrip("/")

    @property
    def token(self) -> str:
        token = self._token or os.environ.get("DATABRICKS_TOKEN", "")
        if not token:
            raise RuntimeError("not connected to a workspace: set DATABRICKS_TOKEN")
        return token

    def _open(self, request: urllib.request.Request):
        if self._opener is None:
            handlers: list[Any] = [urllib.request.HTTPSHandler(context=ssl.create_default_context())]
            # The workspace of a driver is on this machine: a proxy of the environment does not know the way.
            if urllib.parse.urlsplit(self.host).hostname in ("127.0.0.1", "localhost", "::1"):
                handlers.append(urllib.request.ProxyHandler({}))
            self._opener = urllib.request.build_opener(*handlers)
        try:
            return self._opener.open(request, timeout=300)
        except urllib.error.HTTPError as e:
            body = e.read()
            try:
                answer = json.loads(body)
                code = answer.get("error_code") or answer.get("error") or str(e.code)
                message = answer.get("message") or answer.get("detail") or answer.get("error_description") or ""
            except (ValueError, AttributeError):
                code, message = str(e.code), body[:200].decode("utf8", "replace")
            raise ApiError(e.code, code, message) from None

    def _request(self, method: str, path: str, data: bytes | None = None, content_type: str = "") -> urllib.request.Request:
        request = urllib.request.Request(self.host + path, data=data, method=method)
        request.add_unredirected_header("Authorization", "Bearer " + self.token)
        if content_type:
            request.add_header("Content-Type", content_type)
        return request

    def get(self, path: str, /, **query: Any) -> dict:
        text = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        with self._open(self._request("GET", path + ("?" + text if text else ""))) as r:
            return json.loads(r.read() or b"{}")

    def post(self, path: str, /, **fields: Any) -> dict:
        body = json.dumps({k: v for k, v in fields.items() if v is not None}).encode()
        with self._open(self._request("POST", path, body, "application/json")) as r:
            return json.loads(r.read() or b"{}")

    def delete(self, path: str, /) -> dict:
        with self._open(self._request("DELETE", urllib.parse.quote(path))) as r:
            return json.loads(r.read() or b"{}")
