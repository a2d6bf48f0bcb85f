#!/usr/bin/env python3
"""Feeds every query of Spark's golden SQL files to the parser: what Spark parses must parse, and Spark's parse errors must be raised.

usage: parse_golden.py PARSE_CHECK_PROGRAM SPARK_SQL_TESTS_JAR [--verbose] [--only SUBSTRING]
"""
import argparse
import collections
import json
import re
import subprocess
import zipfile

SETTINGS = {  # setting -> (flag of parse_check, value that raises it)
    "spark.sql.ansi.enabled": ("n", "false"),
    "spark.sql.ansi.enforceReservedKeywords": ("r", "true"),
    "spark.sql.ansi.doubleQuotedIdentifiers": ("d", "true"),
    "spark.sql.ansi.relationPrecedence": ("p", "true"),
    "spark.sql.timestampType": ("z", "TIMESTAMP_NTZ"),
    "spark.sql.legacy.interval.enabled": ("i", "true"),
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": ("e", "true"),
    "spark.sql.legacy.setopsPrecedence.enabled": ("s", "true"),
    "spark.sql.parser.escapedStringLiterals": ("b", "true"),
    "spark.sql.parser.quotedRegexColumnNames": ("x", "true"),
    "spark.sql.legacy.charVarcharAsString": ("c", "true"),
    "spark.sql.legacy.identifierClause": ("l", "true"),
    "spark.sql.legacy.bangEqualsNot": ("!", "true"),
    "spark.sql.legacy.viewSchemaBindingMode": ("v", "false"),
    "spark.sql.parser.singleCharacterPipeOperator.enabled": ("k", "false"),
}


def apply(flags, key, value):
    if key in SETTINGS:
        flag, on = SETTINGS[key]
        (flags.add if value.strip().lower() == on.lower() else flags.discard)(flag)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("program")
    ap.add_argument("jar")
    ap.add_argument("--verbose", action="store_true")
    ap.add_argument("--only", default="")
    args = ap.parse_args()
    jar = zipfile.ZipFile(args.jar)
    names = [n for n in jar.namelist() if n.startswith("sql-tests/results/") and n.endswith(".sql.out") and args.only in n]
    cases = []
    for name in sorted(names):
        rel = name[len("sql-tests/results/"):-len(".out")]
        try:
            source = jar.read("sql-tests/inputs/" + rel).decode()
        except KeyError:
            source = ""
        flags = set()
        if rel.startswith("nonansi/"):
            flags.add("n")
        if rel.startswith("timestampNTZ/"):
            flags.add("z")
        if "postgreSQL/" in rel:
            flags.add("i")
        first_dim = set()
        for line in source.splitlines():
            m = re.match(r"--SET (.*)", line)
            d = re.match(r"--CONFIG_DIM(\d*) (.*)", line)
            if d and d.group(1) not in first_dim:
                first_dim.add(d.group(1))
                m = re.match(r"--CONFIG_DIM\d* (.*)", line)
            if m:
                for kv in m.group(1).split(","):
                    if "=" in kv:
                        k, v = kv.split("=", 1)
                        apply(flags, k.strip(), v)
        text = jar.read(name).decode()
        for block in text.split("-- !query\n")[1:]:
            m = re.match(r"(.*?)\n-- !query schema\n(.*?)\n-- !query output\n(.*)", block, re.S)
            if not m:
                continue
            sql, _, output = m.groups()
            expected, kind, place = "OK", "", ""
            e = re.match(r"(org\.apache\.spark[\w.$]*)\n(\{.*\})", output.strip(), re.S)
            if e:
                kind = e.group(1).split(".")[-1]
                try:
                    error = json.loads(e.group(2))
                    expected = error.get("errorClass", "?")
                    if expected == "PARSE_SYNTAX_ERROR":
                        place = error["messageParameters"]["error"] + "|" + error["messageParameters"]["hint"]
                    for c in error.get("queryContext", [])[:1]:
                        if "startIndex" in c and expected != "PARSE_SYNTAX_ERROR":
                            place = f"{c['startIndex']} {c['stopIndex']}"
                except json.JSONDecodeError:
                    expected = "?"
            cases.append((rel, sql, "".join(sorted(flags)), kind, expected, place))
            m = re.match(r"\s*SET\s+([\w.]+)\s*=\s*([^;]*)", sql, re.I)
            if m:
                apply(flags, m.group(1), m.group(2))
    payload = "\0".join(f"{c[2]}\x1f{c[1]}" for c in cases) + "\0"
    run = subprocess.run([args.program], input=payload.encode(), capture_output=True, check=True)
    print(run.stderr.decode().strip())
    got = run.stdout.decode().splitlines()
    assert len(got) == len(cases), (len(got), len(cases))
    wrong = collections.Counter()
    misplaced = 0
    for (rel, sql, _, kind, expected, place), answer in zip(cases, got):
        g, _, found = answer.partition(" ")
        if kind == "ParseException" and g == expected and found != place:
            misplaced += 1
            if args.verbose:
                print(f"--- {rel}: {g} at {found}, expected at {place}\n{sql[:600]}")
        if kind == "ParseException":
            bad = g != expected
        else:
            bad = g not in ("OK", expected)
        if bad:
            wrong[(kind == "ParseException", expected if kind == "ParseException" else "parsed", g)] += 1
            if args.verbose:
                print(f"--- {rel}: expected {kind} {expected}, got {g}\n{sql[:600]}")
    for (_, expected, g), n in wrong.most_common():
        print(f"{n:6} expected {expected}, got {g}")
    parse_errors = sum(1 for c in cases if c[3] == "ParseException")
    print(f"{len(cases)} queries ({parse_errors} parse errors), {sum(wrong.values())} differ, {misplaced} at another place")


if __name__ == "__main__":
    main()
