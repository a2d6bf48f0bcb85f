"""dbutils.secrets: values of secret scopes."""
from __future__ import annotations

import base64
from collections import namedtuple

from tarn.api import Api, ApiError
from tarn.dbutils.errors import ExecutionError
from tarn.dbutils.help import Utility

SecretMetadata = namedtuple("SecretMetadata", ["key"])
SecretScope = namedtuple("SecretScope", ["name"])
SecretScope.getName = lambda self: self.name  # type: ignore[attr-defined]


class Secrets(Utility):
    """dbutils.secrets reads secrets of scopes. Values are shown as [REDACTED] in results."""

    _name = "secrets"

    def __init__(self, api: Api):
        self._api = api

    def getBytes(self, scope: str, key: str) -> bytes:
        """The value of a secret as bytes."""
        try:
            return base64.b64decode(self._api.get("/api/2.0/secrets/get", scope=scope, key=key)["value"])
        except ApiError as e:
            kind = "java.lang.SecurityException" if e.status == 403 else "java.lang.IllegalArgumentException"
            raise ExecutionError(f"{kind}: {e.message}") from None

    def get(self, scope: str, key: str) -> str:
        """The value of a secret as text."""
        return self.getBytes(scope, key).decode("utf8")

    def list(self, scope: str) -> list[SecretMetadata]:
        """The keys in a scope."""
        try:
            return [SecretMetadata(s["key"]) for s in self._api.get("/api/2.0/secrets/list", scope=scope).get("secrets", [])]
        except ApiError as e:
            raise ExecutionError(f"java.lang.IllegalArgumentException: {e.message}") from None

    def listScopes(self) -> list[SecretScope]:
        """The scopes of the workspace."""
        return [SecretScope(s["name"]) for s in self._api.get("/api/2.0/secrets/scopes/list").get("scopes", [])]
