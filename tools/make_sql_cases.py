#!/usr/bin/env python3
"""Writes the statements of the generated SQL tests (tests/sql/generated/*.test). Their expected side is then recorded from Apache Spark:

    tools/make_sql_cases.py && tools/sqltest.py record --remote sc://SPARK:15002 tests/sql/generated

Covered: what Spark's golden files leave out — cast pairs, extremes, nulls, non-ASCII text, options of file sources.
"""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "tests", "sql", "generated")

STRINGS = ["''", "' 1 '", "'1'", "'-1'", "'+7'", "'1.5'", "'1e3'", "'NaN'", "'Infinity'", "'-inf'", "'abc'", "'٣'", "'127'", "'128'", "'-129'", "'32768'",
           "'2147483648'", "'9223372036854775808'", "'1e400'", "'0x10'", "'1L'", "'1.0D'", "'true'", "'T'", "'yes'", "'0'", "'2020-01-01'", "'2020-1-1'", "'2020-02-30'",
           "'2020-01-01T00:00:00Z'", "'2020-01-01 12:34:56.123456789'", "'2020-01-01 00:00:00+01:00'", "'10000-01-01'", "'0000-01-01'", "'12:34:56'", "'99999999999999999999999999999999999999'",
           "'\\t5\\n'", "'naïve'"]
TARGETS = ["boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal(10,2)", "decimal(38,18)", "string", "binary", "date", "timestamp", "timestamp_ntz"]
VALUES = ["true", "127Y", "-128Y", "32767S", "-32768S", "2147483647", "-2147483648", "9223372036854775807L", "-9223372036854775808L", "float(1.1)", "float('NaN')", "3.4028235E38F", "1.1D", "double('NaN')",
          "double('Infinity')", "-0.0D", "1E-7D", "123456789.125D", "1E22D", "12.345BD", "99999999.99BD", "-0.5BD", "0.5BD", "X'41'", "X''", "date'2020-02-29'", "date'0001-01-01'", "date'9999-12-31'",
          "timestamp'2020-03-08 02:30:00'", "timestamp'1969-12-31 23:59:59.999999'", "timestamp_ntz'2020-11-01 01:30:00'", "array(1, null, 3)", "map('a', 1)", "struct(1, 'x')",
          "named_struct('a', null, 'b', array(date'2020-01-01'))", "interval '1' day", "interval '1-2' year to month", "null"]
EXTREME = {"tinyint": ("127Y", "-128Y", "0Y"), "smallint": ("32767S", "-32768S", "0S"), "int": ("2147483647", "-2147483648", "0"),
           "bigint": ("9223372036854775807L", "-9223372036854775808L", "0L"), "double": ("1.7976931348623157E308D", "double('NaN')", "0D"),
           "decimal": ("99999999999999999999999999999999999999BD", "0.00000000000000000000000000000000000001BD", "0BD")}
TEXT = ["'Größe'", "'ΑΣ'", "'İstanbul'", "'日本語テキスト'", "'e\\u0301'", "'👩‍👩‍👧'", "'ß'", "''", "null", "'a\\u0000b'"]
TEXT_CALLS = ["upper({0})", "lower({0})", "initcap({0})", "length({0})", "char_length({0})", "octet_length({0})", "bit_length({0})", "reverse({0})", "substring({0}, 2, 2)", "substring({0}, -2)", "left({0}, 2)",
              "right({0}, 2)", "lpad({0}, 8, 'ä')", "rpad({0}, 8, 'ä')", "lpad({0}, 2, 'x')", "repeat({0}, 2)", "instr({0}, 'e')", "locate('t', {0})", "position('本' in {0})", "trim(both 'G' from {0})",
              "translate({0}, 'aeß', 'xyz')", "replace({0}, 'e', 'é')", "split({0}, '')", "split({0}, 't')", "ascii({0})", "base64({0})", "hex({0})", "encode({0}, 'UTF-16BE')", "md5({0})", "sha1({0})", "crc32({0})",
              "hash({0})", "xxhash64({0})", "soundex({0})", "levenshtein({0}, 'test')", "concat({0}, 'ü')", "concat_ws('-', {0}, null, 'z')", "substring_index({0}, 't', 1)", "overlay({0} placing 'XX' from 2)",
              "{0} like '%e%'", "{0} rlike '^.ü?'", "regexp_replace({0}, '[^a-z]', '_')", "regexp_extract({0}, '(.)(.)', 2)", "startswith({0}, 'G')", "endswith({0}, 'e')", "contains({0}, 'ö')", "ltrim({0})", "quote({0})",
              "to_json(struct({0} as s))", "url_encode({0})", "cast({0} as binary)", "mask({0})", "luhn_check({0})", "find_in_set({0}, 'a,ß,b')", "char({0})"]
NULLS = ["coalesce(null, 1)", "nullif(1, 1)", "nvl(null, 'a')", "nvl2(null, 1, 2)", "ifnull(null, null)", "null + 1", "null and false", "null or true", "not null", "null = null", "null <=> null", "null in (1, null)", "1 in (1, null)",
         "1 not in (2, null)", "null between 1 and 2", "case when null then 1 else 2 end", "case null when null then 1 else 2 end", "if(null, 1, 2)", "greatest(1, null, 3)", "least(null, null)", "concat('a', null)",
         "concat_ws(',', null, null)", "array_contains(array(1, null), 2)", "array_contains(array(1, null), 1)", "size(null)", "array(1, null)[1]", "array_max(array(null, 2))", "array_position(array(1, null), null)",
         "array_remove(array(1, null, 2), null)", "array_union(array(1, null), array(null))", "array_intersect(array(1, null), array(null))", "array_except(array(1, null), array(1))", "arrays_overlap(array(1, null), array(2, null))",
         "sort_array(array(2, null, 1))", "sort_array(array(2, null, 1), false)", "array_sort(array(2, null, 1))", "map('a', null)['a']", "map('a', 1)['b']", "element_at(map('a', 1), 'b')", "map_keys(null)", "struct(null).col1",
         "named_struct('a', null).a", "isnull(null)", "isnotnull(null)", "null is distinct from null", "null is unknown", "null like 'a'", "'a' like null", "null rlike null", "substring(null, 1)", "date_add(null, 1)", "datediff(null, date'2020-01-01')",
         "to_date(null)", "year(null)", "sum(null)", "avg(null)", "count(null)", "count(*)", "max(null)", "min(cast(null as int))", "collect_list(null)", "first(null)", "every(null)", "bit_and(null)", "stddev(null)", "corr(null, 1)",
         "percentile(null, 0.5)", "approx_count_distinct(null)", "explode(array(null, 1))", "posexplode(array(null))", "explode_outer(array())", "inline(array(struct(null, 1)))", "stack(2, 1, null, 2)", "transform(array(1, null), x -> x + 1)",
         "filter(array(1, null), x -> x > 0)", "exists(array(1, null), x -> x > 1)", "forall(array(1, null), x -> x > 0)", "aggregate(array(1, null), 0, (a, x) -> a + x)", "zip_with(array(1), array(2, 3), (a, b) -> a + b)",
         "from_json(null, 'a int')", "from_json('', 'a int')", "to_json(null)", "get_json_object(null, '$.a')", "get_json_object('{\"a\":null}', '$.a')", "json_tuple('{\"a\":null}', 'a', 'b')", "from_csv(null, 'a int')", "hash(null)", "xxhash64(null)",
         "murmur(null)", "typeof(null)", "cast(null as array<int>)", "array()", "map()", "sequence(1, null)", "slice(array(1, null, 3), 2, 2)", "flatten(array(array(1), null))", "array_join(array('a', null, 'b'), ',')",
         "array_join(array('a', null, 'b'), ',', '-')", "str_to_map(null)", "split(null, ',')", "decode(null, null, 1, 2)", "bround(null, 1)", "pmod(null, 3)", "null || 'a'", "null div 1", "try_divide(1, null)"]


def write(name, statements, conf=()):
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, name + ".test"), "w", encoding="utf-8") as f:
        f.write("# Written by tools/make_sql_cases.py, expected side by Apache Spark 4.2.0 through tools/sqltest.py record.\n")
        for c in conf:
            f.write(f"conf {c}\n")
        for s in statements:
            f.write(f"\nquery\n{s}\n----\n")


def casts():
    shown = lambda t, e: f"select cast({e} as {t})"
    strings = [shown(t, s) for t in TARGETS if t not in ("string", "binary") for s in STRINGS]
    values = [shown(t, v) for t in TARGETS for v in VALUES]
    write("cast_string_ansi", strings)
    write("cast_string_legacy", strings, ["spark.sql.ansi.enabled=false"])
    write("cast_value_ansi", values)
    write("cast_value_legacy", values, ["spark.sql.ansi.enabled=false"])
    write("try_cast", [f"select try_cast({v} as {t})" for t in ("tinyint", "int", "decimal(5,2)", "date", "timestamp") for v in VALUES[1:24] + STRINGS[:20]])


def extremes():
    out = []
    for kind, vals in EXTREME.items():
        for a in vals:
            out += [f"select -({a})", f"select abs({a})", f"select sign({a})", f"select {a} * 2", f"select sum(x) from values ({a}), ({a}) t(x)", f"select avg(x) from values ({a}), ({a}) t(x)", f"select round({a}, -1)", f"select bround({a}, 1)",
                    f"select ceil({a})", f"select floor({a})", f"select hex({a})" if kind not in ("double", "decimal") else f"select cast({a} as string)"]
            for b in vals:
                out += [f"select {a} {op} {b}" for op in ("+", "-", "*", "/", "%", "div", "<", "<=>")] + [f"select pmod({a}, {b})"]
    write("extremes_ansi", out)
    write("extremes_legacy", out, ["spark.sql.ansi.enabled=false"])


def text():
    write("text_non_ascii", ["select " + c.format(t) for c in TEXT_CALLS for t in TEXT])


def nulls():
    write("nulls", ["select " + n for n in NULLS])


CSV = {
    "plain.csv": "id,name,amount,day\n1,Ann,1.5,2020-01-01\n2,Bob,,2020-02-30\n3,\"O'Neil, \"\"X\"\"\",abc,\n4,é,1e3,2021-12-31\n",
    "semi.csv": "1;a;2,5\n2;;3\n\n3;\"b;c\";4\n",
    "ragged.csv": "a,b,c\n1,2,3\n4,5\n6,7,8,9\n,,\n",
    "spaces.csv": "a , b\n 1 , x \n2,\" y \"\n",
    "quotes.csv": "a|b\n'x|y'|1\n'it\\'s'|2\n#comment|3\n\"|4\n",
    "special.csv": "v\nNaN\nInf\n-Inf\nNULL\n\"\"\n-\n",
    "typed.csv": "i,l,d,b,t,s\n1,3000000000,1.5,true,2020-01-01 10:00:00,x\n2,4,2,false,2020-01-02T03:04:05Z,\n",
    "multi.csv": "a,b\n\"line1\nline2\",1\nx,2\n",
}
JSON = {
    "plain.json": '{"a":1,"b":"x","c":[1,2],"d":{"e":true}}\n{"a":2.5,"c":[],"d":null}\n{"b":null,"z":"2020-01-01"}\n',
    "broken.json": '{"a":1}\n{"a":\n{"a":"str"}\n{"a":3,"b":[1,"x"]}\n',
    "multi.json": '[{"a":1},\n {"a":2, "b": {"c": [null, 1]}}]\n',
    "loose.json": "{'a':1}\n{\"a\":01}\n{a:2}\n{\"a\":NaN}\n/* c */ {\"a\":3}\n",
    "big.json": '{"n":12345678901234567890,"f":1e400,"d":0.1234567890123456789}\n{"n":1,"f":2,"d":3}\n',
}


def sources():
    data = os.path.join(ROOT, "tests", "sql", "data")
    os.makedirs(data, exist_ok=True)
    for name, content in {**CSV, **JSON}.items():
        with open(os.path.join(data, name), "w", encoding="utf-8", newline="") as f:
            f.write(content)
    out, n = [], 0

    def read(fmt, file, schema, **options):
        nonlocal n
        n += 1
        opts = ", ".join(f"{k} '{v}'" for k, v in {"path": "${DATA}/" + file, **options}.items())
        out.extend([f"create temp view v{n} {'(' + schema + ')' if schema else ''} using {fmt} options ({opts})", f"select * from v{n}"])

    for o in ({}, {"header": "true"}, {"header": "true", "inferSchema": "true"}, {"header": "true", "inferSchema": "true", "preferDate": "false"}, {"header": "true", "nullValue": "Bob"}, {"header": "true", "quote": "'"}, {"header": "true", "comment": "2"},
              {"header": "true", "inferSchema": "true", "samplingRatio": "1.0"}, {"header": "true", "emptyValue": "E"}, {"header": "true", "maxColumns": "10"}, {"header": "true", "ignoreLeadingWhiteSpace": "true"}):
        read("csv", "plain.csv", "", **o)
    for s in ("id int, name string, amount double, day date", "id int, name string, amount decimal(5,1), day string", "id int, name string, amount double, day date, _corrupt_record string", "id bigint, name string", "id int, name string, amount int, day timestamp, extra string"):
        for mode in ("PERMISSIVE", "DROPMALFORMED", "FAILFAST"):
            read("csv", "plain.csv", s, header="true", mode=mode)
    read("csv", "plain.csv", "id int, name string, amount double, day date, bad string", header="true", columnNameOfCorruptRecord="bad")
    read("csv", "plain.csv", "x int, name string, amount string, day string", header="true", enforceSchema="false")
    for o in ({"sep": ";"}, {"sep": ";", "inferSchema": "true"}, {"delimiter": ";", "inferSchema": "true", "locale": "de-DE"}):
        read("csv", "semi.csv", "", **o)
    for mode in ("PERMISSIVE", "DROPMALFORMED", "FAILFAST"):
        read("csv", "ragged.csv", "a int, b int, c int", header="true", mode=mode)
        read("csv", "ragged.csv", "a int, b int, c int, _corrupt_record string", header="true", mode=mode)
        read("csv", "ragged.csv", "", header="true", mode=mode, inferSchema="true")
    for o in ({}, {"ignoreLeadingWhiteSpace": "true"}, {"ignoreTrailingWhiteSpace": "true"}, {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true", "inferSchema": "true"}):
        read("csv", "spaces.csv", "", header="true", **o)
    for o in ({"quote": "'"}, {"quote": "'", "comment": "#"}, {"quote": ""}, {"quote": "'", "escape": "'"}, {"unescapedQuoteHandling": "STOP_AT_CLOSING_QUOTE"}):
        read("csv", "quotes.csv", "", header="true", sep="|", **o)
    for o in ({}, {"nanValue": "-"}, {"positiveInf": "Inf", "negativeInf": "-Inf"}, {"nullValue": "-"}, {"nullValue": "NULL", "emptyValue": "-"}):
        read("csv", "special.csv", "v double", header="true", **o)
        read("csv", "special.csv", "v string", header="true", **o)
    for o in ({"inferSchema": "true"}, {"inferSchema": "true", "timestampFormat": "yyyy-MM-dd HH:mm:ss"}, {"inferSchema": "true", "timestampNTZFormat": "yyyy-MM-dd HH:mm:ss"}):
        read("csv", "typed.csv", "", header="true", **o)
    read("csv", "multi.csv", "", header="true", multiLine="true")
    read("csv", "multi.csv", "", header="true")
    read("csv", "multi.csv", "", header="true", lineSep="1")
    for o in ({}, {"primitivesAsString": "true"}, {"prefersDecimal": "true"}, {"dropFieldIfAllNull": "true"}, {"inferTimestamp": "true"}, {"allowComments": "true"}):
        read("json", "plain.json", "", **o)
    for s in ("a int, b string", "a double, c array<int>, d struct<e: boolean>", "a string, c string, d string", "z date", "a int, _corrupt_record string", "c array<string>, z timestamp", "A int", "d map<string,boolean>"):
        for mode in ("PERMISSIVE", "DROPMALFORMED", "FAILFAST"):
            read("json", "plain.json", s, mode=mode)
            read("json", "broken.json", s, mode=mode)
    read("json", "broken.json", "")
    read("json", "broken.json", "", columnNameOfCorruptRecord="bad")
    read("json", "broken.json", "a int, bad string", columnNameOfCorruptRecord="bad")
    read("json", "multi.json", "", multiLine="true")
    read("json", "multi.json", "")
    for o in ({}, {"allowSingleQuotes": "false"}, {"allowNumericLeadingZeros": "true"}, {"allowUnquotedFieldNames": "true"}, {"allowNonNumericNumbers": "false"}, {"allowComments": "true"}):
        read("json", "loose.json", "a string", **o)
        read("json", "loose.json", "a double, _corrupt_record string", **o)
    for s in ("", "n decimal(20,0), f double, d decimal(38,19)", "n bigint, f float, d string"):
        read("json", "big.json", s)
    read("text", "plain.csv", "")
    read("text", "plain.csv", "", wholetext="true")
    read("text", "semi.csv", "", lineSep=";")
    read("csv", "missing.csv", "")
    read("nosuchformat", "plain.csv", "")
    write("sources", out)


if __name__ == "__main__":
    casts()
    extremes()
    text()
    nulls()
    sources()
