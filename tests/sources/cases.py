"""Inputs of the file source tests. tools/gen_source_answers.py runs them in Apache Spark, tests/clients/test_file_sources.py here."""

import glob
import gzip
import os
import re

# name, format, {file: content}, options, schema (DDL or None)
READS = [
    ("csv_header_infer", "csv", {"a.csv": "id,name,price,day,at,ok\n1,\"a,b\",1.5,2024-02-29,2024-02-29 12:00:00,true\n2,,2,2024-03-01,2024-03-01T01:02:03.5,false\n"}, {"header": "true", "inferSchema": "true"}, None),
    ("csv_no_header", "csv", {"a.csv": "1,a\n2,b\n"}, {}, None),
    ("csv_quotes", "csv", {"a.csv": "\"a\"\"b\",c\n\"a\\\"b\",c\n\"a\"x,c\n\"a\" ,c\n\"a\" x,c\na\"b,c\n\"\",c\n\"a\",\n,\n\"a\\\\\",c\n\"a\\nb\",c\n\"a,b\"\"c,d\",e\n"}, {}, None),
    ("csv_unclosed", "csv", {"a.csv": "\"a,c\nb,\"\n\"x\n"}, {}, None),
    ("csv_escape_quote", "csv", {"a.csv": "\"a\"\"b\",c\n\"a\\\"b\",c\n\"\"\"\",x\n\"a\"\"\",y\n\"\"\"a\",z\n"}, {"escape": "\""}, None),
    ("csv_closing_quote", "csv", {"a.csv": "\"a\"b\"c\",d\n\"a\" b\",d\nq\"r,s\n"}, {"unescapedQuoteHandling": "STOP_AT_CLOSING_QUOTE"}, None),
    ("csv_back_to_delimiter", "csv", {"a.csv": "\"a,b\"c,d\n\"a\"b,c\n"}, {"unescapedQuoteHandling": "BACK_TO_DELIMITER"}, "a STRING, b STRING, c STRING"),
    ("csv_skip_value", "csv", {"a.csv": "\"a\"b,c\n\"d\",e\n"}, {"unescapedQuoteHandling": "SKIP_VALUE"}, None),
    ("csv_raise_error", "csv", {"a.csv": "\"a\"b,c\n\"d\",e\n"}, {"unescapedQuoteHandling": "RAISE_ERROR"}, None),
    ("csv_escape_escape", "csv", {"a.csv": "\"a\\\\\"b\",c\n\"x|\"y\",z\n"}, {"charToEscapeQuoteEscaping": "|"}, None),
    ("csv_no_quote", "csv", {"a.csv": "\"a\",b\n"}, {"quote": ""}, None),
    ("csv_single_quote", "csv", {"a.csv": "'a,b',c\n"}, {"quote": "'"}, None),
    ("csv_space", "csv", {"a.csv": " a , b \n \" c \" , d\n   ,x\n"}, {}, None),
    ("csv_trim", "csv", {"a.csv": " a , b \n \" c \" , d\n   ,x\n"}, {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}, None),
    ("csv_trim_leading", "csv", {"a.csv": " a , b \n \" c \" , d\n   ,x\n"}, {"ignoreLeadingWhiteSpace": "true"}, None),
    ("csv_null_value", "csv", {"a.csv": "NA,1\n,2\n\"NA\",3\n\"\",NA\n"}, {"nullValue": "NA"}, "s STRING, i INT"),
    ("csv_null_infer", "csv", {"a.csv": "NA,1\n2,NA\n3,\n"}, {"nullValue": "NA", "inferSchema": "true"}, None),
    ("csv_empty_value", "csv", {"a.csv": "\"\",1\n,2\na,3\n"}, {"emptyValue": "EMPTY"}, None),
    ("csv_nan", "csv", {"a.csv": "NaN,Inf,-Inf\nnope,1e3,-0.0\nInfinity,1d,0x1p3\n"}, {}, "a DOUBLE, b FLOAT, c DOUBLE"),
    ("csv_nan_options", "csv", {"a.csv": "nix,plus,minus\n"}, {"nanValue": "nix", "positiveInf": "plus", "negativeInf": "minus"}, "a DOUBLE, b FLOAT, c DOUBLE"),
    ("csv_permissive", "csv", {"a.csv": "1,a\nx,b\n3\n4,d,e\n\n5,\n"}, {}, "i INT, s STRING"),
    ("csv_corrupt", "csv", {"a.csv": "1,a\nx,b\n3\n4,d,e\n"}, {}, "i INT, s STRING, _corrupt_record STRING"),
    ("csv_corrupt_middle", "csv", {"a.csv": "1,a\nx,b\n3\n"}, {"columnNameOfCorruptRecord": "bad"}, "i INT, bad STRING, s STRING"),
    ("csv_drop", "csv", {"a.csv": "1,a\nx,b\n3\n4,d,e\n"}, {"mode": "DROPMALFORMED"}, "i INT, s STRING"),
    ("csv_failfast", "csv", {"a.csv": "1,a\nx,b\n"}, {"mode": "FAILFAST"}, "i INT, s STRING"),
    ("csv_types", "csv", {"a.csv": "1,2,3,4,1.25,true,2024-01-02,2024-01-02 03:04:05.678,2024-01-02T03:04:05,1234567.891\n300,40000,3000000000,x,y,z,2024-13-01,24:00,zz,1e40\n+1,-2,+3,-4,.5,TRUE,2024-1-2,2024-01-02T03:04:05Z,2024-01-02,\"1,234.5\"\n"}, {}, "a BYTE, b SHORT, c INT, d LONG, e FLOAT, f BOOLEAN, g DATE, h TIMESTAMP, i TIMESTAMP_NTZ, j DECIMAL(10,2)"),
    ("csv_formats", "csv", {"a.csv": "02/01/2024,02.01.2024 03:04,3 Jan 2024\n2/1/2024,x,y\n"}, {"dateFormat": "dd/MM/yyyy", "timestampFormat": "dd.MM.yyyy HH:mm"}, "a DATE, b TIMESTAMP, c STRING"),
    ("csv_zone", "csv", {"a.csv": "2024-07-01 12:00:00\n2024-07-01T12:00:00+05:30\n2024-07-01 12:00:00 Europe/Berlin\n"}, {"timeZone": "America/New_York"}, "a TIMESTAMP"),
    ("csv_infer_kinds", "csv", {"a.csv": "1,1,1.5,2024-01-01,2024-01-01 00:00:00,true,12345678901234567890,x,,1e5,2024-01-01\n2,3000000000,2,2024-01-02,2024-01-02T00:00:00Z,FALSE,1,1,,2,2024-01-01 10:00:00\n"}, {"inferSchema": "true"}, None),
    ("csv_infer_clash", "csv", {"a.csv": "1,true,2024-01-01,1.5,12:30\nx,1,5,2024-01-01,1\n"}, {"inferSchema": "true"}, None),
    ("csv_infer_no_date", "csv", {"a.csv": "2024-01-01,2024-01-01 01:00:00\n"}, {"inferSchema": "true", "preferDate": "false"}, None),
    ("csv_infer_ts_format", "csv", {"a.csv": "01.02.2024,1\n02.02.2024,2\n"}, {"inferSchema": "true", "timestampFormat": "dd.MM.yyyy"}, None),
    ("csv_header_names", "csv", {"a.csv": "a,A,,b b,a\n1,2,3,4,5\n"}, {"header": "true"}, None),
    ("csv_header_only", "csv", {"a.csv": "a,b\n"}, {"header": "true", "inferSchema": "true"}, None),
    ("csv_two_files", "csv", {"a.csv": "a,b\n1,2\n", "b.csv": "a,b\n3,4\n"}, {"header": "true", "inferSchema": "true"}, None),
    ("csv_empty_file", "csv", {"a.csv": ""}, {}, None),
    ("csv_blank_lines", "csv", {"a.csv": "\n\n1,2\n  \n3,4\r\n\r\n5,6"}, {}, None),
    ("csv_carriage", "csv", {"a.csv": "1,2\r3,4\r"}, {}, None),
    ("csv_comment", "csv", {"a.csv": "# no\n1,2\n#3,4\n 5,6\n"}, {"comment": "#"}, None),
    ("csv_tab", "csv", {"a.csv": "a\tb\n\tc\n"}, {"sep": "\\t"}, None),
    ("csv_multi_sep", "csv", {"a.csv": "a||b|c||\"d||e\"\n||x||\n\"q\"||r\n"}, {"sep": "||"}, None),
    ("csv_bad_sep", "csv", {"a.csv": "a\n"}, {"sep": "\\."}, None),
    ("csv_empty_sep", "csv", {"a.csv": "a\n"}, {"sep": ""}, None),
    ("csv_long_quote", "csv", {"a.csv": "a\n"}, {"quote": "ab"}, None),
    ("csv_bad_bool", "csv", {"a.csv": "a\n"}, {"header": "maybe"}, None),
    ("csv_bad_charset", "csv", {"a.csv": "a\n"}, {"encoding": "klingon"}, None),
    ("csv_line_sep", "csv", {"a.csv": "1,2;3,4;"}, {"lineSep": ";"}, None),
    ("csv_multiline", "csv", {"a.csv": "a,\"x\ny\",1\n\nb,z,2\n"}, {"multiLine": "true"}, None),
    ("csv_multiline_crlf", "csv", {"a.csv": "a,\"x\r\ny\"\r\n\r\nb,z\r\n"}, {"multiLine": "true"}, None),
    ("csv_multiline_header", "csv", {"a.csv": "h1,\"h\n2\"\n1,\"x\ny\"\n2,z\n"}, {"multiLine": "true", "header": "true", "inferSchema": "true"}, None),
    ("csv_multiline_bad", "csv", {"a.csv": "1,\"a\nb\"\nx,c\n3\n"}, {"multiLine": "true"}, "i INT, s STRING, _corrupt_record STRING"),
    ("csv_latin1", "csv", {"a.csv": b"\xe9t\xe9,1\n"}, {"encoding": "ISO-8859-1"}, None),
    ("csv_bad_utf8", "csv", {"a.csv": b"a\xffb,1\nc\xe2\x82,2\n"}, {}, None),
    ("csv_bom", "csv", {"a.csv": b"\xef\xbb\xbfa,b\n1,2\n"}, {"header": "true"}, None),
    ("csv_gzip", "csv", {"a.csv.gz": gzip.compress(b"a,b\n1,2\n" * 3)}, {"header": "true"}, None),
    ("csv_enforce_schema", "csv", {"a.csv": "x,y\n1,2\n"}, {"header": "true", "enforceSchema": "false"}, "a INT, b INT"),
    ("csv_nested_schema", "csv", {"a.csv": "x\n"}, {}, "a ARRAY<INT>"),
    ("csv_duplicate_schema", "csv", {"a.csv": "x,y\n"}, {}, "a INT, A INT"),
    ("csv_max_columns", "csv", {"a.csv": "1,2,3\n"}, {"maxColumns": "2"}, None),
    ("csv_max_chars", "csv", {"a.csv": "12345,2\n"}, {"maxCharsPerColumn": "3"}, None),
    ("csv_locale", "csv", {"a.csv": "1.234,5;1 Januar 2024\n"}, {"sep": ";", "locale": "de-DE", "dateFormat": "d MMMM yyyy"}, "a DECIMAL(10,2), b DATE"),
    ("json_infer", "json", {"a.json": "{\"b\":1,\"a\":{\"x\":[1,2.5],\"y\":null}}\n{\"a\":{\"z\":\"t\"},\"c\":true}\n\n{'b': 3}\n"}, {}, None),
    ("json_numbers", "json", {"a.json": "{\"a\":1,\"b\":12345678901234567890,\"c\":1.5,\"d\":1e400,\"e\":NaN,\"f\":-Infinity,\"g\":123456789012345678901234567890123456789012}\n"}, {}, None),
    ("json_prefers_decimal", "json", {"a.json": "{\"a\":1.25,\"b\":1,\"c\":\"2.5\"}\n{\"a\":100.5,\"b\":2.5,\"c\":\"x\"}\n"}, {"prefersDecimal": "true"}, None),
    ("json_primitives", "json", {"a.json": "{\"a\":1,\"b\":true,\"c\":[1,2],\"d\":{\"e\":1.50}}\n"}, {"primitivesAsString": "true"}, None),
    ("json_empty_things", "json", {"a.json": "{\"a\":[],\"b\":{},\"c\":null,\"d\":\"\"}\n"}, {}, None),
    ("json_drop_null", "json", {"a.json": "{\"a\":[],\"b\":{},\"c\":null,\"d\":1}\n"}, {"dropFieldIfAllNull": "true"}, None),
    ("json_clash", "json", {"a.json": "{\"a\":1,\"b\":{\"x\":1},\"c\":[1]}\n{\"a\":\"x\",\"b\":2,\"c\":{\"y\":1}}\n"}, {}, None),
    ("json_corrupt", "json", {"a.json": "{\"a\":1}\n{\"a\":\n[1,2]\n\"x\"\n7\nnull\n{\"a\":2} trailing\n"}, {}, None),
    ("json_partial", "json", {"a.json": "{\"a\":1,\"b\":\"x\"}\n{\"a\":\"no\",\"b\":\"y\"}\n{\"a\":3,\n[{\"a\":4},{\"a\":5}]\n17\n"}, {}, "a INT, b STRING, _corrupt_record STRING"),
    ("json_partial_nested", "json", {"a.json": "{\"s\":{\"i\":\"x\",\"j\":2},\"l\":[1,\"a\",3],\"m\":{\"k\":1,\"l\":\"z\"},\"o\":[{\"p\":1},{\"p\":\"q\"}]}\n"}, {}, "s STRUCT<i: INT, j: INT>, l ARRAY<INT>, m MAP<STRING, INT>, o ARRAY<STRUCT<p: INT>>, _corrupt_record STRING"),
    ("json_drop", "json", {"a.json": "{\"a\":1}\n{\"a\":\"no\"}\n{\"a\":3,\n[{\"a\":4},{\"a\":\"x\"}]\n17\n"}, {"mode": "DROPMALFORMED"}, "a INT"),
    ("json_failfast", "json", {"a.json": "{\"a\":\"no\"}\n"}, {"mode": "FAILFAST"}, "a INT"),
    ("json_strings", "json", {"a.json": "{\"s\": {\"k\": [1, 2.0]}}\n{\"s\":1.50}\n{\"s\":true}\n{\"s\":[ 1 , 2 ]}\n{\"s\":null}\n{\"s\":1E5}\n"}, {}, "s STRING"),
    ("json_escapes", "json", {"a.json": "{\"a\":\"\\u00e9\\n\\t\\\"\\/\\ud83d\\ude00 \\ud800 x\"}\n{\"a\":\"\\x\"}\n{\"a\":\"tab\there\"}\n"}, {}, "a STRING, _corrupt_record STRING"),
    ("json_lenient", "json", {"a.json": "{a: 01, /* c */ 'b': \"\\q\", \"c\": \"x\ty\"} // end\n"}, {"allowComments": "true", "allowUnquotedFieldNames": "true", "allowNumericLeadingZeros": "true", "allowBackslashEscapingAnyCharacter": "true", "allowUnquotedControlChars": "true"}, None),
    ("json_strict", "json", {"a.json": "{'a':1}\n{\"a\":NaN}\n{\"a\":2}\n"}, {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}, "a DOUBLE, _corrupt_record STRING"),
    ("json_types", "json", {"a.json": "{\"a\":200,\"b\":40000,\"c\":1.0,\"d\":9223372036854775807,\"e\":\"NaN\",\"f\":\"-INF\",\"g\":\"2024-01-02\",\"h\":\"2024-01-02T03:04:05.5+01:00\",\"i\":\"2024-01-02 03:04:05\",\"j\":\"1,234.567\",\"k\":\"aGk=\",\"l\":1}\n{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":\"2024-01-02 03:04:05Z\",\"j\":1e3,\"k\":\"?\",\"l\":\"true\"}\n"}, {}, "a BYTE, b SHORT, c INT, d LONG, e FLOAT, f DOUBLE, g DATE, h TIMESTAMP, i TIMESTAMP_NTZ, j DECIMAL(10,2), k BINARY, l BOOLEAN"),
    ("json_empty_strings", "json", {"a.json": "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}\n"}, {}, "a INT, b STRING, c DATE, _corrupt_record STRING"),
    ("json_timestamps", "json", {"a.json": "{\"a\":\"2024-01-02T03:04:05\",\"b\":\"2024-01-02\",\"c\":\"x\"}\n"}, {"inferTimestamp": "true"}, None),
    ("json_formats", "json", {"a.json": "{\"a\":\"02/01/2024\",\"b\":\"02.01.2024 03:04\"}\n{\"a\":\"2024-01-02\",\"b\":\"2024-01-02\"}\n"}, {"dateFormat": "dd/MM/yyyy", "timestampFormat": "dd.MM.yyyy HH:mm"}, "a DATE, b TIMESTAMP"),
    ("json_multiline", "json", {"a.json": "[\n {\"a\": 1,\n  \"b\": \"x\"},\n {\"a\": 2}\n]\n"}, {"multiLine": "true"}, None),
    ("json_multiline_bad", "json", {"a.json": "{\"a\": 1,\n", "b.json": "{\"a\": 2}"}, {"multiLine": "true"}, None),
    ("json_duplicate_keys", "json", {"a.json": "{\"a\":1,\"a\":2}\n{\"a\":3,\"a\":null}\n"}, {}, "a INT"),
    ("json_case", "json", {"a.json": "{\"A\":1,\"a\":2}\n"}, {}, "a INT"),
    ("json_line_sep", "json", {"a.json": "{\"a\":1}|{\"a\":2}|"}, {"lineSep": "|"}, None),
    ("json_bom", "json", {"a.json": b"\xef\xbb\xbf{\"a\":1}\n"}, {}, None),
    ("json_bad_utf8", "json", {"a.json": b"{\"a\":\"x\xff\"}\n{\"a\":\"y\"}\n"}, {}, None),
    ("json_empty_file", "json", {"a.json": ""}, {}, None),
    ("json_partition_like", "json", {"k=1/a.json": "{\"a\":1}\n", "k=2/b.json": "{\"a\":2,\"k\":9}\n"}, {}, None),
    ("text_lines", "text", {"a.txt": "a\r\nb\n\nc\rd"}, {}, None),
    ("text_whole", "text", {"a.txt": "a\nb\n"}, {"wholetext": "true"}, None),
    ("text_line_sep", "text", {"a.txt": "a;b;;c"}, {"lineSep": ";"}, None),
    ("partitions_types", "csv", {"i=1/l=3000000000/f=1.5/d=2024-01-01/t=2024-01-01 10%3A00%3A00/s=a%2Fb/n=__HIVE_DEFAULT_PARTITION__/a.csv": "x\n", "i=02/l=4/f=2/d=2024-01-02/t=2024-01-02 10%3A00%3A00/s=c/n=5/a.csv": "y\n"}, {}, None),
    ("partitions_mixed", "csv", {"k=1/a.csv": "x\n", "k=abc/a.csv": "y\n"}, {}, None),
    ("partitions_user_schema", "csv", {"k=01/a.csv": "x\n", "k=02/a.csv": "y\n"}, {}, "v STRING, k STRING"),
    ("partitions_conflict", "csv", {"k=1/a.csv": "x\n", "j=1/a.csv": "y\n"}, {}, None),
    ("hidden_files", "csv", {"a.csv": "x\n", "_b.csv": "y\n", ".c.csv": "z\n", "d.csv._COPYING_": "w\n"}, {}, None),
    ("glob_filter", "csv", {"a.csv": "x\n", "b.txt": "y\n"}, {"pathGlobFilter": "*.csv"}, None),
    ("recursive", "csv", {"x/a.csv": "x\n", "x/y/b.csv": "y\n"}, {"recursiveFileLookup": "true"}, None),
    ("modified_future", "csv", {"a.csv": "x\n"}, {"modifiedAfter": "2100-01-01T00:00:00"}, "a STRING"),
    ("unknown_source", "nosuch", {"a.csv": "x\n"}, {}, None),
    ("damaged_gzip", "csv", {"a.csv.gz": gzip.compress(os.urandom(20000))[:8000]}, {}, "a STRING"),
    ("damaged_gzip_ignored", "csv", {"a.csv.gz": gzip.compress(b"a,b\n" * 3)[:-9]}, {"ignoreCorruptFiles": "true"}, "a STRING, b STRING"),
    ("no_parquet", "parquet", {"a.parquet": "this is no parquet file at all"}, {}, None),
]

VALUES = """SELECT * FROM VALUES
 (1, 'plain', 1.5D, true, DATE'2024-02-29', TIMESTAMP'2024-02-29 12:34:56.789', CAST(1.50 AS DECIMAL(5,2)), CAST('bin' AS BINARY)),
 (2, 'a,b', CAST('NaN' AS DOUBLE), false, DATE'0001-01-01', TIMESTAMP'1969-12-31 23:59:59', CAST(-0.01 AS DECIMAL(5,2)), NULL),
 (3, 'say "hi"', CAST('-Infinity' AS DOUBLE), NULL, NULL, NULL, NULL, NULL),
 (4, '', 1e20D, NULL, NULL, TIMESTAMP'2024-01-01 00:00:00', NULL, CAST('' AS BINARY)),
 (5, NULL, 1e-5D, NULL, NULL, NULL, NULL, NULL),
 (6, ' padded ', 100D, NULL, NULL, NULL, NULL, NULL),
 (7, 'back\\\\slash', 0.1D, NULL, NULL, NULL, NULL, NULL),
 (8, 'line\\nbreak', 12345678.9D, NULL, NULL, NULL, NULL, NULL),
 (9, '#hash', -0.0D, NULL, NULL, NULL, NULL, NULL),
 (10, '"quoted"', 1.0E-10D, NULL, NULL, NULL, NULL, NULL),
 (11, 'q\\\\"x,', 3D, NULL, NULL, NULL, NULL, NULL),
 (12, '\\u00e9\\u20ac', 2D, NULL, NULL, NULL, NULL, NULL)
 AS t(i, s, d, b, day, at, dec, bin)"""
PLAIN = VALUES.replace("*", "i, s, d, b, day, at, dec")
NESTED = """SELECT 1 AS i, array(1, null, 3) AS a, map('k', 1, 'n', null) AS m, named_struct('x', 1.5D, 'y', cast(null as string)) AS s,
 timestamp_ntz'2024-01-02 03:04:05.5' AS ntz, cast('ab' as binary) AS bin, 'e\\u0001"\\\\/' AS esc, 1.5F AS f"""

# name, SQL, format, options, partition columns
WRITES = [
    ("csv", PLAIN, "csv", {}, []),
    ("csv_header", PLAIN, "csv", {"header": "true"}, []),
    ("csv_quote_all", PLAIN, "csv", {"quoteAll": "true"}, []),
    ("csv_no_escape_quotes", PLAIN, "csv", {"escapeQuotes": "false"}, []),
    ("csv_null", PLAIN, "csv", {"nullValue": "NULL", "emptyValue": "EMPTY"}, []),
    ("csv_null_quote_all", PLAIN, "csv", {"nullValue": "NULL", "quoteAll": "true"}, []),
    ("csv_keep_space", PLAIN, "csv", {"ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"}, []),
    ("csv_formats", PLAIN, "csv", {"dateFormat": "dd/MM/yyyy", "timestampFormat": "yyyy.MM.dd HH:mm:ss.SSS XXX", "timeZone": "Asia/Tokyo"}, []),
    ("csv_sep", PLAIN, "csv", {"sep": ";", "quote": "'", "escape": "!", "lineSep": "|"}, []),
    ("csv_multi_sep", PLAIN, "csv", {"sep": "||"}, []),
    ("csv_comment", PLAIN, "csv", {"comment": "#"}, []),
    ("csv_gzip", PLAIN, "csv", {"compression": "gzip"}, []),
    ("csv_nested", NESTED, "csv", {}, []),
    ("csv_latin1", PLAIN, "csv", {"encoding": "ISO-8859-1"}, []),
    ("csv_escape_quote_char", PLAIN, "csv", {"escape": '"'}, []),
    ("csv_empty", "SELECT 1 AS a, 'x' AS b WHERE 1 = 0", "csv", {"header": "true"}, []),
    ("csv_codec", PLAIN, "csv", {"compression": "nope"}, []),
    ("json", VALUES, "json", {}, []),
    ("json_keep_null", VALUES, "json", {"ignoreNullFields": "false"}, []),
    ("json_nested", NESTED, "json", {}, []),
    ("json_formats", VALUES, "json", {"dateFormat": "dd/MM/yyyy", "timestampFormat": "yyyy.MM.dd HH:mm:ss", "timeZone": "Asia/Tokyo"}, []),
    ("json_pretty", NESTED, "json", {"pretty": "true"}, []),
    ("json_ascii", VALUES, "json", {"writeNonAsciiCharacterAsCodePoint": "true"}, []),
    ("json_sort_keys", NESTED, "json", {"sortKeys": "true"}, []),
    ("text", "SELECT s FROM (" + VALUES + ")", "text", {}, []),
    ("text_two_columns", "SELECT i, s FROM (" + VALUES + ")", "text", {}, []),
    ("text_int", "SELECT i FROM (" + VALUES + ")", "text", {}, []),
    ("partitioned", VALUES.replace("*", "i, s, day, d"), "csv", {}, ["s", "day"]),
    ("partitioned_types", "SELECT * FROM (" + VALUES.replace("*", "i, d, b, at, dec") + ") WHERE d <> 0", "json", {}, ["d", "b", "at", "dec"]),
    ("partition_all", "SELECT 1 AS a", "csv", {}, ["a"]),
    ("partition_missing", "SELECT 1 AS a, 2 AS b", "csv", {}, ["z"]),
    ("duplicate_columns", "SELECT 1 AS a, 2 AS A", "csv", {}, []),
    ("parquet_names", "SELECT 1 AS a", "parquet", {}, []),
    ("parquet_gzip_name", "SELECT 1 AS a", "parquet", {"compression": "gzip"}, []),
    ("parquet_zstd_name", "SELECT 1 AS a", "parquet", {"compression": "zstd"}, []),
    ("parquet_none_name", "SELECT 1 AS a", "parquet", {"compression": "none"}, []),
]


def lay_out(directory, files):
    for name, content in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)


def condition_of(error):
    get = getattr(error, "getCondition", None)
    condition = get() if get else None
    return condition or "plain: " + str(error).split("\n")[0][:160]


def run_read(spark, directory, case):
    _, fmt, files, options, schema = case
    lay_out(directory, files)
    try:
        reader = spark.read.format(fmt).options(**options)
        if schema:
            reader = reader.schema(schema)
        df = reader.load(directory)
        names = df.schema.simpleString()
        rows = sorted(repr(r) for r in df.collect())
        return {"schema": names, "rows": rows, "count": df.count()}
    except Exception as e:  # noqa: BLE001 - every kind of error is an answer
        return {"error": condition_of(e)}


def file_text(path):
    with open(path, "rb") as f:
        data = f.read()
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    return data.decode("latin-1")


def run_write(spark, directory, case):
    _, sql, fmt, options, partitions = case
    target = os.path.join(directory, "out")
    try:
        spark.sql(sql).coalesce(1).write.format(fmt).options(**options).partitionBy(*partitions).save(target)
    except Exception as e:  # noqa: BLE001
        return {"error": condition_of(e)}
    out = {}
    for path in glob.glob(target + "/**", recursive=True, include_hidden=True):
        if not os.path.isfile(path) or path.endswith(".crc"):
            continue
        name = re.sub(r"part-\d{5}-[0-9a-f-]{36}", "part-N-UUID", os.path.relpath(path, target))
        text = "" if fmt == "parquet" else "".join(sorted(file_text(path).splitlines(True)))
        out[name] = out.get(name, "") + text
    return {"files": dict(sorted(out.items()))}
