"""Values as results: tables with a schema, images, HTML and text."""
from __future__ import annotations

import base64
import datetime
import decimal
import io
import json
import math
import sys
from typing import Any, Iterable

MAX_ROWS = 10_000
MAX_BYTES = 2 << 20


def cell(value: Any) -> Any:
    """A value as JSON."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond % 1000 == 0 else "microseconds")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(bytes(value)).decode()
    if hasattr(value, "asDict"):
        return {str(k): cell(v) for k, v in value.asDict().items()}
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(cell(k), ensure_ascii=False): cell(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [cell(v) for v in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():   # a numpy scalar
        return cell(value.item())
    if hasattr(value, "tolist"):
        return cell(value.tolist())
    return str(value)


def table(schema: list[dict[str, str]], rows: Iterable[Iterable[Any]]) -> dict[str, Any]:
    """At most MAX_ROWS rows and MAX_BYTES of JSON; truncated says whether there were more."""
    out: list[list[Any]] = []
    size, truncated = 0, False
    for row in rows:
        values = [cell(v) for v in row]
        size += len(json.dumps(values, ensure_ascii=False).encode("utf8", "replace"))
        if len(out) >= MAX_ROWS or (size > MAX_BYTES and out):
            truncated = True
            break
        out.append(values)
    return {"kind": "table", "schema": schema, "rows": out, "truncated": truncated}


def spark_table(df: Any) -> dict[str, Any]:
    fields = df.schema.fields
    schema = [{"name": f.name, "type": f.dataType.json(), "metadata": json.dumps(f.metadata or {})} for f in fields]
    return table(schema, df.limit(MAX_ROWS + 1).collect())


_DTYPES = {"i": "long", "u": "long", "f": "double", "b": "boolean", "M": "timestamp"}


def pandas_table(df: Any) -> dict[str, Any]:
    import pandas as pd

    schema = [{"name": str(n), "type": json.dumps(_DTYPES.get(t.kind, "string") if hasattr(t, "kind") else "string"), "metadata": "{}"}
              for n, t in zip(df.columns, df.dtypes)]
    head = df.head(MAX_ROWS + 1)

    def rows():
        for values in head.itertuples(index=False, name=None):
            yield [None if v is None or v is pd.NaT or (isinstance(v, float) and math.isnan(v)) else v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in values]

    return table(schema, rows())


def figure(value: Any) -> dict[str, Any]:
    out = io.BytesIO()
    value.savefig(out, format="png", bbox_inches="tight")
    return {"kind": "image", "mime": "image/png", "data": base64.b64encode(out.getvalue()).decode()}


def open_figures() -> list[dict[str, Any]]:
    """Figures that the code has drawn and not shown; they are closed."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return []
    out = []
    for number in plt.get_fignums():
        f = plt.figure(number)
        if f.get_axes():
            out.append(figure(f))
    plt.close("all")
    return out


def _is(value: Any, module: str, name: str) -> bool:
    return any(c.__name__ == name and c.__module__.split(".")[0] == module for c in type(value).__mro__)


def _is_pandas_on_spark(value: Any) -> bool:
    # Not by its methods: a DataFrame of Spark Connect takes every name for a column.
    return type(value).__module__.startswith("pyspark.pandas")


def rendered(value: Any, spark: Any = None) -> dict[str, Any]:
    """What display(value) shows."""
    if _is_pandas_on_spark(value):
        if hasattr(type(value), "to_frame"):
            value = value.to_frame()
        return spark_table(value.to_spark()) if hasattr(type(value), "to_spark") else {"kind": "text", "data": repr(value)}
    if _is(value, "pyspark", "DataFrame"):
        if value.isStreaming:
            raise NotImplementedError("display of a streaming DataFrame is not supported")
        return spark_table(value)
    if _is(value, "pandas", "DataFrame"):
        return pandas_table(value)
    if _is(value, "pandas", "Series"):
        return pandas_table(value.to_frame())
    if _is(value, "matplotlib", "Figure"):
        result = figure(value)
        if (plt := sys.modules.get("matplotlib.pyplot")) is not None:
            plt.close(value)
        return result
    if hasattr(value, "get_figure") and _is(value, "matplotlib", "Artist"):
        return rendered(value.get_figure(), spark)
    if isinstance(value, (list, tuple)) and value and all(hasattr(v, "_fields") or hasattr(v, "asDict") or isinstance(v, dict) for v in value):
        names = list(value[0].keys() if isinstance(value[0], dict) else getattr(value[0], "__fields__", None) or value[0]._fields)
        rows = [[v.get(n) for n in names] if isinstance(v, dict) else list(v) for v in value]
        kinds = {bool: "boolean", int: "long", float: "double"}
        schema = [{"name": n, "type": json.dumps(kinds.get(type(rows[0][i]), "string")), "metadata": "{}"} for i, n in enumerate(names)]
        return table(schema, rows)
    for attribute, kind in (("_repr_html_", "html"), ("_repr_png_", "image")):
        make = getattr(value, attribute, None)
        data = make() if callable(make) and not isinstance(value, type) else None
        if isinstance(data, str):
            return {"kind": kind, "data": data} if kind == "html" else {"kind": "image", "mime": "image/png", "data": data}
        if isinstance(data, bytes):
            return {"kind": "image", "mime": "image/png", "data": base64.b64encode(data).decode()}
    return {"kind": "text", "data": value if isinstance(value, str) else repr(value)}
