"""The small utilities: library, jobs.taskValues, data, credentials."""
from __future__ import annotations

import json
from typing import Any, Callable

from tarn.dbutils.errors import RestartPython
from tarn.dbutils.help import Utility


class Library(Utility):
    """dbutils.library manages the Python process."""

    _name = "library"

    def restartPython(self) -> None:
        """Starts the Python process anew: variables go, packages that %pip has installed are seen."""
        raise RestartPython()


class TaskValues(Utility):
    """dbutils.jobs.taskValues hands small values from one task of a job to later ones."""

    _name = "jobs.taskValues"

    def __init__(self, facts: dict[str, Any], send: Callable[[dict], None] | None):
        self._facts, self._send = facts, send

    def set(self, key: str, value: Any) -> None:
        """Sets a value of this task (anything that JSON can express, at most 48 KiB). Outside of a job nothing happens."""
        text = json.dumps(value)
        if len(text.encode()) > 48 << 10:
            raise ValueError(f"The value of the task value {key} is larger than 48 KiB")
        if self._facts.get("task_key") and self._send:
            self._send({"type": "task_value", "key": key, "value": value})

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:
        """A value that another task of this run has set. Outside of a job: debugValue."""
        if not self._facts.get("task_key"):
            if debugValue is None:
                raise TypeError("Must pass debugValue when calling get outside of a job context. debugValue cannot be None.")
            return debugValue
        values = self._facts.get("task_values", {}).get(taskKey, {})
        if key in values:
            return values[key]
        if default is None:
            raise ValueError(f"Task value {key} of the task {taskKey} does not exist, and no default was given")
        return default


class Jobs(Utility):
    """dbutils.jobs: utilities for jobs; see dbutils.jobs.taskValues."""

    _name = "jobs"

    def __init__(self, task_values: TaskValues):
        self.taskValues = task_values


class Data(Utility):
    """dbutils.data gets to know data."""

    _name = "data"

    def __init__(self, display: Callable[[Any], None] | None):
        self._display = display

    def summarize(self, df: Any, precise: bool = False) -> None:
        """Shows count, nulls, distinct values, mean, deviation, least, quartiles and greatest of every column of a Spark or pandas
        DataFrame. precise: exact distinct counts and quartiles instead of estimates within 5 %."""
        import pandas as pd

        if isinstance(df, pd.DataFrame):
            table = _summary_of_pandas(df)
        elif type(df).__module__.startswith("pyspark.pandas"):
            table = _summary_of_spark(df.to_spark(), precise)
        elif type(df).__module__.startswith("pyspark.sql"):
            table = _summary_of_spark(df, precise)
        else:
            raise TypeError(f"summarize wants a DataFrame, not {type(df).__name__}")
        (self._display or print)(table)


_ROWS = ["count", "nulls", "distinct", "mean", "stddev", "min", "25%", "50%", "75%", "max"]


def _summary_of_pandas(df):
    import pandas as pd

    out = {"summary": _ROWS}
    for name in df.columns:
        s = df[name]
        numeric = pd.api.types.is_numeric_dtype(s) and not pd.api.types.is_bool_dtype(s)
        q = s.quantile([0.25, 0.5, 0.75]) if numeric else None
        some = s.dropna()
        least, most = (some.min(), some.max()) if len(some) and (numeric or pd.api.types.is_string_dtype(s) or pd.api.types.is_datetime64_any_dtype(s)) else (None, None)
        values = [s.count(), s.isna().sum(), s.astype(str).nunique(), s.mean() if numeric else None, s.std() if numeric else None, least,
                  *([q[0.25], q[0.5], q[0.75]] if numeric else [None] * 3), most]
        out[str(name)] = [None if v is None else str(v) for v in values]
    return pd.DataFrame(out)


def _summary_of_spark(df, precise: bool):
    import pandas as pd
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    parts, names = [], []
    for i, field in enumerate(df.schema.fields):
        c = df[field.name] if "." not in field.name else df["`" + field.name.replace("`", "``") + "`"]
        numeric = isinstance(field.dataType, T.NumericType)
        plain = not isinstance(field.dataType, (T.ArrayType, T.MapType, T.StructType, T.BinaryType))
        null = F.lit(None).cast("string")
        quantile = (lambda p: F.percentile(c, F.lit(p)) if precise else F.percentile_approx(c, p, 1000)) if numeric else None
        parts += [F.count(c).cast("string"), F.sum(F.when(c.isNull(), 1).otherwise(0)).cast("string"),
                  ((F.count_distinct(c) if precise else F.approx_count_distinct(c)).cast("string") if plain else null),
                  *((F.avg(c).cast("string"), F.stddev(c).cast("string")) if numeric else (null, null)),
                  F.min(c).cast("string") if plain else null,
                  *((quantile(p).cast("string") for p in (0.25, 0.5, 0.75)) if numeric else (null, null, null)),
                  F.max(c).cast("string") if plain else null]
        names.append(field.name)
    row = df.agg(*[p.alias(f"c{i}") for i, p in enumerate(parts)]).collect()[0] if parts else ()
    out = {"summary": _ROWS}
    for i, name in enumerate(names):
        out[name] = list(row[i * len(_ROWS):(i + 1) * len(_ROWS)])
    return pd.DataFrame(out)


class Credentials(Utility):
    """dbutils.credentials: roles and service credentials of a cloud. A workspace of Tarn has none: use secrets."""

    _name = "credentials"

    def _none(self, what: str):
        raise NotImplementedError(f"{what} is not supported: this workspace is not in a cloud that has roles. Keep credentials in a secret scope.")

    def assumeRole(self, role: str) -> bool:
        """Sets the role of a cloud to use. Not supported."""
        self._none("assumeRole")
        return False

    def showCurrentRole(self) -> list[str]:
        """The role in use: none."""
        return []

    def showRoles(self) -> list[str]:
        """The roles that could be used: none."""
        return []

    def getServiceCredentialsProvider(self, credentialName: str):
        """A provider of a service credential. Not supported."""
        self._none("getServiceCredentialsProvider")
