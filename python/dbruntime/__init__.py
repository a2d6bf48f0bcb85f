"""What the Databricks SDK asks to find out that it runs in a workspace: the objects of the notebook."""
from __future__ import annotations

import os
from typing import Any


class Namespace:
    """The namespace of this process's notebook, or one made of the connection in the environment."""

    _instance: "Namespace | None" = None

    def __init__(self) -> None:
        self.namespace: dict[str, Any] | None = None   # set by the driver

    @classmethod
    def getOrCreate(cls) -> "Namespace":
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def get_namespace_globals(self) -> dict[str, Any]:
        if self.namespace is None:
            from tarn.dbutils import dbutils

            self.namespace = {"dbutils": dbutils, "getArgument": dbutils.widgets.getArgument, "display": print, "displayHTML": print}
            self.namespace.update({n: None for n in ("spark", "sql", "table", "udf", "sc", "sqlContext")})
        return self.namespace


def __getattr__(name: str) -> Any:
    # The SDK imports this name to ask whether it runs in a workspace. A process that merely has the package installed does not.
    if name == "UserNamespaceInitializer" and (Namespace._instance or (os.environ.get("DATABRICKS_HOST") and os.environ.get("DATABRICKS_TOKEN"))):
        return Namespace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
