"""What the Databricks SDK asks to find out that it runs in a workspace: the objects of the notebook."""
from __future__ import annotations

from typing import Any


class UserNamespaceInitializer:
    """The namespace of this process's notebook, or one made of the connection in the environment."""

    _instance: "UserNamespaceInitializer | None" = None

    def __init__(self) -> None:
        self.namespace: dict[str, Any] | None = None   # set by the driver

    @classmethod
    def getOrCreate(cls) -> "UserNamespaceInitializer":
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def get_namespace_globals(self) -> dict[str, Any]:
        if self.namespace is None:
            from tarn.dbutils import dbutils

            self.namespace = {"dbutils": dbutils, "getArgument": dbutils.widgets.getArgument, "display": print, "displayHTML": print}
            self.namespace.update({n: None for n in ("spark", "sql", "table", "udf", "sc", "sqlContext")})
        return self.namespace
