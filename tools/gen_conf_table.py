#!/usr/bin/env python3
"""Writes src/plan/session_conf_table.cc: the keys, kinds, defaults and limits of Spark's SQL configuration.

The facts are asked of a running Apache Spark (a Python with the full `pyspark[connect]` package and a Java): every registered
entry is probed with values that are wrong on purpose, and what Spark accepts or refuses gives its kind and its lower bound.

    python tools/gen_conf_table.py [--cache FILE.json] src/plan/session_conf_table.cc
"""
import argparse
import json
import os

WRONG = "@bogus@"


def ask_spark():
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sql("SET -v").collect()
    jvm = spark._jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()

    def module(name):
        return jvm.java.lang.Class.forName(name, True, loader).getField("MODULE$").get(None)

    sql_conf = module("org.apache.spark.sql.internal.SQLConf$")
    for name in ("org.apache.spark.sql.internal.StaticSQLConf$", "org.apache.spark.sql.connect.config.Connect$"):
        module(name)
    conf = spark._jsparkSession.sessionState().conf()
    entries = {e.key(): e for e in sql_conf.getConfigEntries().toArray()}

    def probe(key, value):
        try:
            conf.setConfString(key, value)
            conf.unsetConf(key)
            return {"ok": True}
        except Exception as e:
            try:
                return {"cond": e.getCondition(), "params": dict(e.getMessageParameters() or {})}
            except Exception:
                return {"cond": "OTHER", "params": {}}

    facts = {}
    for key, entry in entries.items():
        try:
            value = conf.getConfString(key)
        except Exception:
            value = None
        facts[key] = {
            "default": entry.defaultValueString(), "get": value, "public": entry.isPublic(),
            "static": sql_conf.isStaticConfigKey(key), **{"p:" + v: probe(key, v) for v in (WRONG, "-1", "0", "1")},
        }
    registry = module("org.apache.spark.internal.config.ConfigEntry$")
    known = [f for f in registry.getClass().getDeclaredFields() if "known" in f.getName().lower()][0]
    known.setAccessible(True)
    core = sorted(set(known.get(registry).keySet().toArray()) - set(entries))
    spark.stop()
    return {"sql": facts, "core": core}


def kind_of(fact):
    probe = fact["p:" + WRONG]
    params = probe.get("params") or {}
    condition = probe.get("cond") or ""
    if condition.endswith("TYPE_MISMATCH"):
        kind = params["confType"]
        return {"bytes in BYTE": "bytes", "bytes in MiB": "bytes:m", "time in MILLISECONDS": "time",
                "time in SECONDS": "time:s", "time in MINUTES": "time:min"}.get(kind, kind)
    if condition.endswith("OUT_OF_RANGE_OF_OPTIONS"):
        return "|".join(o.strip() for o in params["confOptions"].split(","))
    if condition.endswith("TIME_ZONE"):
        return "timezone"
    return "string"


# Checked by a rule of Spark's own rather than by an option list; the accepted values are the documented ones.
OPTIONS = {
    "spark.sql.ui.explainMode": "SIMPLE|EXTENDED|CODEGEN|COST|FORMATTED",
    "spark.sql.streaming.multipleWatermarkPolicy": "min|max",
    "spark.sql.streaming.stateStore.encodingFormat": "unsaferow|avro",
    "spark.sql.artifact.cacheStorageLevel": "NONE|DISK_ONLY|DISK_ONLY_2|DISK_ONLY_3|MEMORY_ONLY|MEMORY_ONLY_2|MEMORY_ONLY_SER|"
                                            "MEMORY_ONLY_SER_2|MEMORY_AND_DISK|MEMORY_AND_DISK_2|MEMORY_AND_DISK_SER|"
                                            "MEMORY_AND_DISK_SER_2|OFF_HEAP",
}
# Their default depends on the machine: filled in when the program starts.
MACHINE = {"spark.sql.session.timeZone", "spark.sql.warehouse.dir",
           "spark.connect.session.connectML.mlCache.memoryControl.maxInMemorySize"}


def minimum_of(kind, fact):
    if kind not in ("int", "long", "double", "bytes", "time", "time:s", "time:min"):
        return None
    refused = [(fact["p:" + v].get("cond") or "").endswith("REQUIREMENT") for v in ("-1", "0", "1")]
    if not refused[0]:
        return None
    return 2 if refused[2] else 1 if refused[1] else 0


def quote(text):
    return "nullptr" if text is None else json.dumps(text, ensure_ascii=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", help="keep what Spark answered in this file and use it when it exists")
    parser.add_argument("out")
    args = parser.parse_args()
    if args.cache and os.path.exists(args.cache):
        data = json.load(open(args.cache))
    else:
        data = ask_spark()
        if args.cache:
            json.dump(data, open(args.cache, "w"))
    rows = []
    for key in sorted(data["sql"]):
        fact = data["sql"][key]
        kind = OPTIONS.get(key) or kind_of(fact)
        default = fact["get"]
        if key in MACHINE:
            default = None
        elif fact["default"].startswith("<value of "):
            target = fact["default"][len("<value of "):-1]
            if target in data["sql"]:
                default = "=" + target
        elif fact["default"] == "<undefined>":
            default = None
        minimum = minimum_of(kind, fact)
        flags = [f for f, on in (("kStatic", fact["static"]), ("kInternal", not fact["public"])) if on]
        tail = "" if minimum is None and not flags else ", " + ("|".join(flags) or "0")
        if minimum is not None:
            tail += f", {minimum}"
        rows.append(f"    {{{quote(key)}, {quote(kind)}, {quote(default)}{tail}}},")
    core = [k for k in data["core"] if k not in data["sql"]]
    lines, line = [], "   "
    for key in core:
        piece = " " + quote(key) + ","
        if len(line) + len(piece) > 138:
            lines.append(line)
            line = "   "
        line += piece
    lines.append(line)
    with open(args.out, "w") as f:
        f.write("// Written by tools/gen_conf_table.py from a running Apache Spark 4.2.0: do not edit.\n"
                '#include "plan/session_conf_table.h"\n\nnamespace tarn::plan {\n\nnamespace {\n'
                "constexpr uint8_t kStatic = ConfEntry::kStatic, kInternal = ConfEntry::kInternal;\n}\n\n"
                "// Sorted by key.\nextern const ConfEntry kConfTable[] = {\n" + "\n".join(rows) + "\n};\n"
                "extern const size_t kConfTableSize = sizeof kConfTable / sizeof kConfTable[0];\n\n"
                "// Keys of Spark core: they exist, but no session can change them. Sorted.\n"
                "extern const char* const kCoreKeys[] = {\n" + "\n".join(lines) + "\n};\n"
                "extern const size_t kCoreKeysSize = sizeof kCoreKeys / sizeof kCoreKeys[0];\n\n}  // namespace tarn::plan\n")


if __name__ == "__main__":
    main()
