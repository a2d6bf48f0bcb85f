"""python -m tarn.spark_names: keeps the names of schemas and tables in a Spark that is a cluster of a workspace and in the workspace's catalog alike.

DATABRICKS_HOST and DATABRICKS_TOKEN are the workspace, SPARK_REMOTE is Spark. Prints "ready" when Spark knows what the workspace has, then looks again
every few seconds. Names come and go on either side; data are never touched: a table that one side alone manages is dropped there alone.
"""
from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, NamedTuple

from tarn.api import Api, ApiError

CATALOG = "spark_catalog"
FORMATS = ("delta", "parquet", "csv", "json", "text", "orc", "avro")
INTERVAL = 2.0


class Table(NamedTuple):
    format: str
    location: str
    managed: bool
    columns: tuple[str, ...] = ()   # Spark's JSON of the fields


class Workspace:
    """The catalog by the Unity Catalog API."""

    def __init__(self, api: Api):
        self.api = api

    def _pages(self, path: str, field: str, **query: Any):
        token = None
        while True:
            page = self.api.get(path, page_token=token, **query)
            yield from page.get(field, [])
            token = page.get("next_page_token")
            if not token:
                return

    def schemas(self) -> dict[str, str]:
        return {s["name"]: s["storage_location"] for s in self._pages("/api/2.1/unity-catalog/schemas", "schemas", catalog_name=CATALOG)}

    def tables(self, schema: str) -> dict[str, Table]:
        found = self._pages("/api/2.1/unity-catalog/tables", "tables", catalog_name=CATALOG, schema_name=schema, omit_columns="true")
        return {t["name"]: Table(t["data_source_format"].lower(), t["storage_location"], t["table_type"] == "MANAGED")
                for t in found if t["table_type"] in ("MANAGED", "EXTERNAL") and t.get("data_source_format", "").lower() in FORMATS}

    def add_schema(self, name: str, location: str) -> None:
        self.api.post("/api/2.1/unity-catalog/schemas", name=name, catalog_name=CATALOG, storage_root=location)

    def add_table(self, schema: str, name: str, table: Table) -> None:
        columns = [{"name": (f := json.loads(c))["name"], "type_json": c, "nullable": f.get("nullable", True)} for c in table.columns]
        self.api.post("/api/2.1/unity-catalog/tables", name=name, catalog_name=CATALOG, schema_name=schema, table_type="EXTERNAL",
                      data_source_format=table.format.upper(), storage_location=table.location, columns=columns)

    def drop_schema(self, name: str) -> None:
        self.api.delete(f"/api/2.1/unity-catalog/schemas/{CATALOG}.{name}")

    def drop_table(self, schema: str, name: str) -> None:
        self.api.delete(f"/api/2.1/unity-catalog/tables/{CATALOG}.{schema}.{name}")


class Spark:
    """The session catalog by SQL."""

    def __init__(self, remote: str):
        from pyspark.sql.connect.session import SparkSession

        self.spark = SparkSession.builder.remote(remote).create()

    @staticmethod
    def name(*parts: str) -> str:
        return ".".join("`" + p.replace("`", "``") + "`" for p in parts)

    @staticmethod
    def text(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def rows(self, sql: str) -> list:
        return self.spark.sql(sql).collect()

    def schemas(self) -> dict[str, str]:
        return {r[0]: "" for r in self.rows(f"SHOW SCHEMAS IN {CATALOG}")}

    def schema_location(self, name: str) -> str:
        return next(r[1] for r in self.rows(f"DESCRIBE SCHEMA {self.name(CATALOG, name)}") if r[0] == "Location")

    def table_names(self, schema: str) -> list[str]:
        return [r["tableName"] for r in self.rows(f"SHOW TABLES IN {self.name(CATALOG, schema)}") if not r["isTemporary"]]

    def table(self, schema: str, name: str) -> Table | None:
        full = self.name(CATALOG, schema, name)
        facts = {r[0]: r[1] for r in self.rows(f"DESCRIBE TABLE EXTENDED {full}")}
        if facts.get("Type") == "VIEW" or facts.get("Provider", "").lower() not in FORMATS:
            return None
        fields = tuple(json.dumps(f) for f in self.spark.table(full).schema.jsonValue()["fields"])
        return Table(facts["Provider"].lower(), facts["Location"], facts.get("Type") == "MANAGED", fields)

    def add_schema(self, name: str, location: str) -> None:
        self.rows(f"CREATE SCHEMA IF NOT EXISTS {self.name(CATALOG, name)} LOCATION {self.text(location)}")

    def add_table(self, schema: str, name: str, table: Table) -> None:
        self.rows(f"CREATE TABLE IF NOT EXISTS {self.name(CATALOG, schema, name)} USING {table.format} LOCATION {self.text(table.location)}")

    def drop_schema(self, name: str) -> None:
        self.rows(f"DROP SCHEMA {self.name(CATALOG, name)}")

    def drop_table(self, schema: str, name: str) -> None:
        self.rows(f"DROP TABLE {self.name(CATALOG, schema, name)}")


class Names:
    """What both sides are known to have; a pass brings each what the other has got or lost since."""

    def __init__(self, workspace: Workspace, spark: Spark):
        self.workspace, self.spark = workspace, spark
        self.schemas: set[str] = set()
        self.tables: set[tuple[str, str]] = set()
        self.left: set[tuple[str, ...]] = set()   # on one side alone, and that is to stay so

    def attempt(self, key: tuple[str, ...], work) -> bool:
        """Does it once: what cannot be done is said and not tried again while things stay as they are."""
        if key in self.left:
            return False
        try:
            work()
            return True
        except Exception as e:  # noqa: BLE001: one name must not keep the others
            print(f"names: {'.'.join(key)}: {str(e).splitlines()[0][:300]}", file=sys.stderr, flush=True)
            self.left.add(key)
            return False

    def look(self) -> None:
        ours, theirs = self.workspace.schemas(), self.spark.schemas()
        for s in ours.keys() - theirs.keys():
            if s in self.schemas:   # it took its tables with it
                self.look_into(s, True, False)
                self.attempt((s,), lambda: self.workspace.drop_schema(s))
            else:
                self.attempt((s,), lambda: self.spark.add_schema(s, ours[s]))
        for s in theirs.keys() - ours.keys():
            if s in self.schemas:
                self.look_into(s, False, True)
                self.attempt((s,), lambda: self.spark.drop_schema(s))
            else:
                self.attempt((s,), lambda: self.workspace.add_schema(s, self.spark.schema_location(s)))
        both = self.workspace.schemas().keys() & self.spark.schemas().keys()
        self.left -= {(s,) for s in both}
        self.tables = set().union(*(self.look_into(s, True, True) for s in both))
        self.schemas = set(both)

    def look_into(self, s: str, is_ours: bool, is_theirs: bool) -> set[tuple[str, str]]:
        ours = self.workspace.tables(s) if is_ours else {}
        theirs = set(self.spark.table_names(s)) if is_theirs else set()
        known = {(s, t) for t in ours.keys() & theirs}
        self.left -= known
        for t in ours.keys() - theirs:
            if (s, t) not in self.tables:
                if is_theirs and self.attempt((s, t), lambda: self.spark.add_table(s, t, ours[t])):
                    known.add((s, t))
            elif ours[t].managed:
                self.left.add((s, t))
            else:
                self.attempt((s, t), lambda: self.workspace.drop_table(s, t))
        for t in theirs - ours.keys():
            if (s, t) in self.left:
                continue
            table = self.spark.table(s, t)
            if table is None:
                self.left.add((s, t))
            elif (s, t) not in self.tables:
                if is_ours and self.attempt((s, t), lambda: self.workspace.add_table(s, t, table)):
                    known.add((s, t))
            elif table.managed:
                self.left.add((s, t))
            else:
                self.attempt((s, t), lambda: self.spark.drop_table(s, t))
        return known


def main() -> int:
    names = Names(Workspace(Api()), Spark(os.environ["SPARK_REMOTE"]))
    names.look()
    print("ready", flush=True)
    failures = 0
    while failures < 30:   # Spark or the workspace is gone: whoever started this will know
        time.sleep(INTERVAL)
        try:
            names.look()
            failures = 0
        except (ApiError, OSError) as e:
            failures += 1
            print(f"names: the workspace: {e}", file=sys.stderr, flush=True)
        except Exception as e:  # noqa: BLE001
            failures += 1
            print(f"names: {str(e).splitlines()[0][:300] if str(e) else type(e).__name__}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
