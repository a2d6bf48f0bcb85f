"""Holds every table against pandas on the raw input, read by an independent Delta reader (deltalake)."""
import pandas as pd
from deltalake import DeltaTable

import landing


def table(lakehouse, layer: str, name: str, version: int | None = None) -> pd.DataFrame:
    path = lakehouse.store.other_name(lakehouse.path(layer, name))
    return DeltaTable(path, version=version, storage_options=lakehouse.store.options).to_pandas()


def same(what: str, got, want) -> str:
    if isinstance(want, float) or isinstance(got, float):
        ok = abs(float(got) - float(want)) <= 1e-6 * max(1.0, abs(float(want)))
    else:
        ok = got == want
    if not ok:
        raise AssertionError(f"{what}: the table says {got}, expected is {want}")
    return what


def expected_silver(raw: dict[str, pd.DataFrame]) -> pd.DataFrame:
    def typed(df):
        df = df.copy()
        for c in ("year", "month", "day", "flight", "sched_dep_time", "distance", "arr_delay", "dep_delay", "dep_time"):
            df[c] = pd.to_numeric(df[c], errors="coerce")
        return df

    flights = typed(raw["flights"]).drop_duplicates(landing.KEY)
    late = typed(landing.corrections(raw["flights"]))
    known = flights.merge(late[landing.KEY + ["arr_delay"]], on=landing.KEY, how="left", suffixes=("", "_late"))
    known["arr_delay"] = known.arr_delay_late.combine_first(known.arr_delay)
    fresh = late.merge(flights[landing.KEY], on=landing.KEY, how="left", indicator=True).query("_merge == 'left_only'")
    return pd.concat([known, fresh[flights.columns]])


def layers(lakehouse) -> list[str]:
    """What was held against what; raises AssertionError at the first difference."""
    raw, done = landing.raw(), []
    for name, df in raw.items():
        got = table(lakehouse, "bronze", name)
        done.append(same(f"bronze.{name}: rows", len(got), len(df)))
        number = {"flights": "distance", "weather": "visib", "planes": "seats", "airports": "alt"}.get(name)
        if number:
            done.append(same(f"bronze.{name}: sum({number})", float(pd.to_numeric(got[number], errors="coerce").sum()),
                             float(pd.to_numeric(df[number], errors="coerce").sum())))
    want = expected_silver(raw)
    got = table(lakehouse, "silver", "flights")
    done.append(same("silver.flights: rows", len(got), len(want)))
    for c in ("arr_delay", "dep_delay", "distance"):
        done.append(same(f"silver.flights: sum({c})", float(got[c].sum()), float(want[c].sum())))
    done.append(same("silver.weather: rows", len(table(lakehouse, "silver", "weather")), len(raw["weather"].drop_duplicates(["origin", "time_hour"]))))
    daily = table(lakehouse, "gold", "daily", 0)
    done.append(same("gold.daily: rows", len(daily), len(want.groupby(["year", "month", "day", "origin"]))))
    done.append(same("gold.daily: sum(total_arr_delay)", float(daily.total_arr_delay.sum()), float(want.arr_delay.sum())))
    done.append(same("gold.daily: cancelled", int(daily.cancelled.sum()), int(want.dep_time.isna().sum())))
    carriers = table(lakehouse, "gold", "carriers", 0).set_index("carrier")
    for carrier, part in want.groupby("carrier"):
        done.append(same(f"gold.carriers {carrier}: flights", int(carriers.loc[carrier].flights), len(part)))
        done.append(same(f"gold.carriers {carrier}: sum(arr_delay)", float(carriers.loc[carrier].total_arr_delay), float(part.arr_delay.sum())))
    return done
