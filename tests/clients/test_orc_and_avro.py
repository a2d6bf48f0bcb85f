"""ORC and Avro files: written here and read by pyarrow and fastavro, written by them and read here."""

import datetime as dt
import decimal
import io
import json
import os

import fastavro
import pyarrow as pa
import pyarrow.orc as orc
import pytest
from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.errors.exceptions.connect import SparkConnectGrpcException, SparkException
from pyspark.sql import Row
from pyspark.sql.functions import col

ALL_TYPES = """select * from values
 (true, 1Y, 2S, 3, 4L, 1.5f, 2.5d, 12.34bd, cast('1234567890123456789.0123456789' as decimal(38,10)), 'text', X'00ff', date'2024-02-29',
  timestamp'2024-02-29 12:34:56.789123', timestamp_ntz'2024-02-29 12:34:56.789123', interval '1 02:03:04' day to second, interval '1-2' year to month,
  array(1, null, 3), map('a', 1, 'b', null), named_struct('x', 1, 'y', named_struct('z', 'deep'))),
 (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
 (false, -128Y, -32768S, -2147483648, -9223372036854775808L, float('nan'), double('-inf'), -99.99bd, cast('-0.0000000001' as decimal(38,10)), 'üñí€😀', X'',
  date'0001-01-01', timestamp'0001-01-01 00:00:00', timestamp_ntz'9999-12-31 23:59:59.999999', interval '-1 02:03:04.5' day to second,
  interval '-1-2' year to month, array(), map(), named_struct('x', null, 'y', null)),
 (true, 0Y, 0S, 0, 0L, 1f, 1d, 0bd, cast(0 as decimal(38,10)), 'z', X'02', date'1500-03-01', timestamp'1969-12-31 23:59:59',
  timestamp_ntz'1969-12-31 23:59:59.5', interval '2' day, interval '3' month, null, null, null)
 as t(bo, byt, sh, i, l, f, d, de, dd, s, bi, da, ts, tn, dti, ym, ar, ma, st)"""


@pytest.fixture(scope="module")
def spark(cluster):
    session = cluster.session()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def files(directory, ending):
    return sorted(os.path.join(d, f) for d, _, names in os.walk(directory) for f in names if f.endswith(ending))


def shown(frame):
    return sorted(r[0] for r in frame.selectExpr("to_json(struct(*), map('ignoreNullFields', 'false'))").collect())


@pytest.mark.parametrize("codec", ["zstd", "snappy", "zlib", "lz4", "none"])
def test_orc_keeps_every_type_with_every_codec(spark, tmp_path, codec):
    frame = spark.sql(ALL_TYPES)
    frame.write.option("compression", codec).orc(f"{tmp_path}/t")
    back = spark.read.orc(f"{tmp_path}/t")
    assert back.schema.simpleString() == frame.schema.simpleString()
    assert shown(back) == shown(frame)
    (path,) = files(tmp_path / "t", ".orc" if codec == "none" else f".{codec}.orc")
    other = orc.ORCFile(path)
    assert other.compression == {"none": "UNCOMPRESSED", "zlib": "ZLIB"}.get(codec, codec.upper())
    assert other.read(["i", "s", "da", "de"]).slice(0, 1).to_pylist()[0] == {"i": 3, "s": "text", "da": dt.date(2024, 2, 29), "de": decimal.Decimal("12.34")}


def test_orc_of_another_writer_in_many_stripes(spark, tmp_path):
    n = 200_000
    table = pa.table(
        {
            "id": pa.array(range(n), pa.int64()),
            "few": pa.array([f"value {i % 17}" for i in range(n)]),
            "gaps": pa.array([None if i % 3 == 0 else i * 1_000_003 for i in range(n)], pa.int64()),
            "jumps": pa.array([i * 10**9 if i % 97 == 0 else i % 5 for i in range(n)], pa.int64()),
            "flag": pa.array([i % 5 == 0 for i in range(n)]),
            "list": pa.array([list(range(i % 4)) for i in range(n)], pa.list_(pa.int32())),
            "deep": pa.array([{"a": i, "b": None if i % 2 else str(i)} for i in range(n)]),
            "amount": pa.array([decimal.Decimal(i) / 100 for i in range(n)], pa.decimal128(20, 2)),
        }
    )
    for codec in ("zstd", "uncompressed"):
        path = f"{tmp_path}/{codec}.orc"
        orc.write_table(table, path, compression=codec, stripe_size=64 << 10, dictionary_key_size_threshold=0.5)
        assert orc.ORCFile(path).nstripes > 3
        read = spark.read.orc(path)
        assert read.count() == n
        assert read.orderBy("id").toArrow().equals(table.cast(read.limit(0).toArrow().schema))
        assert read.selectExpr("sum(gaps)", "sum(jumps)", "count_if(flag)", "sum(size(list))", "max(deep.b)", "sum(amount)").first() == Row(
            sum(i * 1_000_003 for i in range(n) if i % 3), sum(table["jumps"].to_pylist()), n // 5, sum(i % 4 for i in range(n)),
            max(str(i) for i in range(0, n, 2)), sum((decimal.Decimal(i) / 100 for i in range(n)), decimal.Decimal(0)))  # fmt: skip


def test_orc_files_of_different_schemas(spark, tmp_path):
    orc.write_table(pa.table({"A": pa.array([1, 2], pa.int32()), "s": ["x", "y"]}), f"{tmp_path}/1.orc")
    orc.write_table(pa.table({"b": pa.array([1.5]), "a": pa.array([7], pa.int32())}), f"{tmp_path}/2.orc")
    merged = spark.read.option("mergeSchema", True).orc(str(tmp_path))
    assert sorted(f.name for f in merged.schema) == ["A", "b", "s"]
    wider = spark.read.schema("b double, a bigint, missing string").orc(str(tmp_path))
    assert sorted(wider.collect(), key=lambda r: r.a) == [Row(b=None, a=1, missing=None), Row(b=None, a=2, missing=None), Row(b=1.5, a=7, missing=None)]
    # What does not fit is NULL, as ORC's evolution has it; what cannot become the type is an error.
    os.mkdir(tmp_path / "n")
    orc.write_table(pa.table({"v": pa.array([1, 300], pa.int32())}), f"{tmp_path}/n/v.orc")
    assert [r.v for r in spark.read.schema("v tinyint").orc(f"{tmp_path}/n").collect()] == [1, None]
    assert [r.v for r in spark.read.schema("v string").orc(f"{tmp_path}/n").collect()] == ["1", "300"]
    with pytest.raises(SparkException, match="does not support type conversion from file type int"):
        spark.read.schema("v array<int>").orc(f"{tmp_path}/n").collect()


def test_orc_columns_without_names_count_by_position(spark, tmp_path):
    orc.write_table(pa.table({"_col0": [1, 2], "_col1": ["x", "y"]}), f"{tmp_path}/1.orc")
    assert spark.read.schema("id bigint, name string, more int").orc(str(tmp_path)).collect() == [Row(1, "x", None), Row(2, "y", None)]
    os.mkdir(tmp_path / "named")
    orc.write_table(pa.table({"q": [1, 2], "r": ["x", "y"]}), f"{tmp_path}/named/1.orc")
    by_place = spark.read.schema("id bigint, name string").option("orc.force.positional.evolution", True).orc(f"{tmp_path}/named")
    assert by_place.collect() == [Row(1, "x"), Row(2, "y")]


def test_orc_in_tables_and_partitions(spark, tmp_path):
    spark.sql("create table orc_table (id int, name string, day date) using orc partitioned by (day)")
    try:
        spark.sql("insert into orc_table values (1, 'a', date'2024-01-01'), (2, 'b', date'2024-01-02')")
        spark.sql("insert into orc_table partition (day = '2024-01-02') values (3, 'c')")
        assert spark.table("orc_table").orderBy("id").collect() == [
            Row(id=1, name="a", day=dt.date(2024, 1, 1)), Row(id=2, name="b", day=dt.date(2024, 1, 2)), Row(id=3, name="c", day=dt.date(2024, 1, 2))]  # fmt: skip
        assert spark.sql("select count(*) from orc_table where day = '2024-01-02'").first()[0] == 2
    finally:
        spark.sql("drop table orc_table")
    spark.range(10).selectExpr("id", "id % 2 as k").write.partitionBy("k").option("maxRecordsPerFile", 3).orc(f"{tmp_path}/p")
    assert [len(files(tmp_path / "p" / f"k={k}", ".orc")) for k in (0, 1)] == [2, 2]
    assert spark.sql(f"select sum(id), sum(k) from orc.`{tmp_path}/p`").first() == Row(45, 5)


def test_orc_errors_are_sparks(spark, tmp_path):
    with pytest.raises(IllegalArgumentException) as error:
        spark.range(1).write.option("compression", "gzip").orc(f"{tmp_path}/t")
    assert error.value.getCondition() == "CODEC_NOT_AVAILABLE.WITH_AVAILABLE_CODECS_SUGGESTION"
    with pytest.raises(AnalysisException) as error:
        spark.sql("select parse_json('1') as v").write.orc(f"{tmp_path}/t")
    assert error.value.getCondition() == "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE" and error.value.getMessageParameters()["format"] == "ORC"
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.orc").write_bytes(b"no ORC at all")
    with pytest.raises(SparkException) as error:
        spark.read.orc(f"{tmp_path}/bad").schema
    assert error.value.getCondition() == "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER"
    spark.sql("select timestamp_ntz'2024-01-01 00:00:00' as t").write.orc(f"{tmp_path}/ntz")
    with pytest.raises(SparkException, match="ORC_TYPE_CAST"):
        spark.read.schema("t timestamp").orc(f"{tmp_path}/ntz").collect()
    with pytest.raises(SparkConnectGrpcException, match="before 1970"):
        spark.sql("select timestamp'1969-12-31 23:59:59.5' as t").write.orc(f"{tmp_path}/old")
    # A file that is damaged is an error and no answer.
    spark.range(100_000).selectExpr("id", "uuid() as u").write.option("compression", "zlib").orc(f"{tmp_path}/whole")
    (path,) = files(tmp_path / "whole", ".orc")
    content = bytearray(open(path, "rb").read())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "x.orc").write_bytes(content)
    with pytest.raises(SparkException):
        spark.read.orc(f"{tmp_path}/wrong").selectExpr("max(u)", "sum(id)").collect()
    assert spark.read.option("ignoreCorruptFiles", True).orc(f"{tmp_path}/wrong").count() <= 100_000


def test_pandas_on_spark_reads_and_writes_orc(spark, tmp_path):
    import pyspark.pandas as ps

    frame = ps.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    frame.to_orc(f"{tmp_path}/t")
    assert ps.read_orc(f"{tmp_path}/t", columns=["b"]).sort_values("b").to_pandas()["b"].tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("codec", ["snappy", "deflate", "bzip2", "xz", "zstandard", "uncompressed"])
def test_avro_keeps_every_type_with_every_codec(spark, tmp_path, codec):
    frame = spark.sql(ALL_TYPES)
    frame.write.format("avro").option("compression", codec).save(f"{tmp_path}/t")
    back = spark.read.format("avro").load(f"{tmp_path}/t")
    assert back.schema.simpleString() == frame.schema.simpleString().replace("tinyint", "int").replace("smallint", "int")
    assert shown(back) == shown(frame)
    (path,) = files(tmp_path / "t", ".avro")
    with open(path, "rb") as f:
        if codec not in ("snappy", "zstandard"):  # which fastavro reads with further packages only
            rows = list(fastavro.reader(f))
            assert rows[0]["i"] == 3 and rows[0]["de"] == decimal.Decimal("12.34") and rows[0]["st"] == {"x": 1, "y": {"z": "deep"}}
            assert rows[0]["ts"] == dt.datetime(2024, 2, 29, 12, 34, 56, 789123, dt.timezone.utc) and rows[1]["ma"] is None


def fastavro_file(path, schema, rows, codec="deflate"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        fastavro.writer(f, fastavro.parse_schema(schema), rows, codec=codec)


def test_avro_of_another_writer(spark, tmp_path):
    schema = {
        "type": "record", "name": "r", "namespace": "n", "fields": [
            {"name": "id", "type": "int"},
            {"name": "color", "type": {"type": "enum", "name": "color", "symbols": ["RED", "BLUE"]}},
            {"name": "code", "type": {"type": "fixed", "name": "code", "size": 3}},
            {"name": "either", "type": ["null", "string", "int", "boolean"]},
            {"name": "wide", "type": ["int", "long"]},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
            {"name": "millis", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
            {"name": "lists", "type": {"type": "array", "items": ["null", {"type": "map", "values": "double"}]}},
        ]}  # fmt: skip
    rows = [
        {"id": i, "color": "BLUE" if i % 2 else "RED", "code": b"abc", "either": [None, "s", 5, True][i % 4], "wide": i * 10**10 if i % 2 else i,
         "amount": decimal.Decimal(i) / 100, "millis": dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(milliseconds=i),
         "local": dt.datetime(2024, 1, 1) + dt.timedelta(milliseconds=i), "lists": [None, {"k": i / 2}] * (i % 3)}
        for i in range(1000)]  # fmt: skip
    fastavro_file(f"{tmp_path}/a/x.avro", schema, rows)
    read = spark.read.format("avro").load(f"{tmp_path}/a")
    assert read.schema.simpleString() == (
        "struct<id:int,color:string,code:binary,either:struct<member0:string,member1:int,member2:boolean>,wide:bigint,amount:decimal(10,2),"
        "millis:timestamp,local:timestamp_ntz,lists:array<map<string,double>>>")  # fmt: skip
    got = read.orderBy("id").collect()
    assert [r.color for r in got] == [r["color"] for r in rows] and [r.amount for r in got] == [r["amount"] for r in rows]
    assert [None if r.either is None else [x for x in r.either if x is not None] for r in got[:4]] == [None, ["s"], [5], [True]]
    assert [r.wide for r in got] == [r["wide"] for r in rows] and [r.lists for r in got] == [r["lists"] for r in rows]
    assert [r.local for r in got] == [r["local"] for r in rows]
    stable = spark.read.format("avro").option("enableStableIdentifiersForUnionType", True).load(f"{tmp_path}/a")
    assert stable.schema["either"].dataType.simpleString() == "struct<member_string:string,member_int:int,member_boolean:boolean>"


def test_avro_schemas_evolve(spark, tmp_path):
    old = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string"}]}
    new = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}, {"name": "c", "type": {"type": "array", "items": "int"}, "default": [1, 2]},
                                                     {"name": "z", "aliases": ["b"], "type": ["string", "null"]}]}  # fmt: skip
    fastavro_file(f"{tmp_path}/a/x.avro", old, [{"a": 1, "b": "x"}])
    read = spark.read.format("avro").option("avroSchema", json.dumps(new)).load(f"{tmp_path}/a")
    assert read.schema.simpleString() == "struct<a:bigint,c:array<int>,z:string>" and read.collect() == [Row(a=1, c=[1, 2], z="x")]
    with pytest.raises(SparkException, match="missing required field"):
        spark.read.format("avro").option("avroSchema", json.dumps(new | {"fields": new["fields"] + [{"name": "must", "type": "int"}]})).load(f"{tmp_path}/a").collect()
    assert spark.read.format("avro").schema("x int, y string").option("positionalFieldMatching", True).load(f"{tmp_path}/a").collect() == [Row(x=1, y="x")]
    with pytest.raises(SparkException, match="Cannot convert Avro field 'b' to SQL field 'b'"):
        spark.read.format("avro").schema("b int").load(f"{tmp_path}/a").collect()
    recursive = {"type": "record", "name": "node", "fields": [{"name": "id", "type": "int"}, {"name": "next", "type": ["null", "node"]}]}
    fastavro_file(f"{tmp_path}/r/x.avro", recursive, [{"id": 1, "next": {"id": 2, "next": {"id": 3, "next": None}}}])
    with pytest.raises(SparkException, match="recursive reference"):
        spark.read.format("avro").load(f"{tmp_path}/r").schema
    two = spark.read.format("avro").option("recursiveFieldMaxDepth", 2).load(f"{tmp_path}/r")
    assert two.schema.simpleString() == "struct<id:int,next:struct<id:int>>" and two.first() == Row(id=1, next=Row(id=2))


def test_avro_is_written_to_a_given_schema(spark, tmp_path):
    schema = {"type": "record", "name": "out", "namespace": "x.y", "fields": [
        {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["A", "B"]}}, {"name": "id", "type": ["null", "long"]}, {"name": "extra", "type": ["null", "int"]}]}  # fmt: skip
    frame = spark.createDataFrame([(1, "A"), (None, "B")], "id bigint, kind string")
    frame.coalesce(1).write.format("avro").option("avroSchema", json.dumps(schema)).save(f"{tmp_path}/t")
    (path,) = files(tmp_path / "t", ".avro")
    back = spark.read.format("avro").load(f"{tmp_path}/t")
    assert sorted(back.collect(), key=str) == sorted([Row(kind="A", id=1, extra=None), Row(kind="B", id=None, extra=None)], key=str)
    assert b'"namespace":"x.y"' in open(path, "rb").read()
    with pytest.raises(SparkException, match="not defined in enum"):
        frame.selectExpr("id", "'C' as kind").write.format("avro").option("avroSchema", json.dumps(schema)).save(f"{tmp_path}/u")
    with pytest.raises(SparkConnectGrpcException) as error:
        spark.sql("select cast(null as int) as a").write.format("avro").option(
            "avroSchema", '{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}').save(f"{tmp_path}/v")  # fmt: skip
    assert error.value.getCondition() == "AVRO_CANNOT_WRITE_NULL_FIELD"
    with pytest.raises(IllegalArgumentException) as error:
        frame.write.format("avro").option("compression", "zlib").save(f"{tmp_path}/w")
    assert error.value.getCondition() == "CODEC_SHORT_NAME_NOT_FOUND"


def test_large_avro_files_are_read_in_splits(spark, tmp_path):
    n = 2_000_000
    spark.range(n).selectExpr("id", "concat('row number ', id) as t").write.format("avro").option("compression", "uncompressed").save(f"{tmp_path}/t")
    (path,) = files(tmp_path / "t", ".avro")
    assert os.path.getsize(path) > 40 << 20
    read = spark.read.format("avro").load(f"{tmp_path}/t")
    assert read.count() == n
    assert read.selectExpr("sum(id)", "count(distinct id)", "max(length(t))").first() == Row(n * (n - 1) // 2, n, len(f"row number {n - 1}"))


def test_avro_in_columns(spark):
    from pyspark.sql.avro.functions import from_avro, to_avro

    frame = spark.createDataFrame([(1, ("x", [1, 2])), (2, None)], "id int, v struct<a string, b array<int>>")
    packed = frame.select("id", to_avro("v").alias("bytes"), to_avro("id").alias("number"))
    schema = {"type": "record", "name": "topLevelRecord", "fields": [{"name": "a", "type": ["string", "null"]},
                                                                    {"name": "b", "type": [{"type": "array", "items": ["int", "null"]}, "null"]}]}  # fmt: skip
    first = packed.first()
    assert fastavro.schemaless_reader(io.BytesIO(bytes(first["bytes"])), [schema, "null"], None) == {"a": "x", "b": [1, 2]}
    text = json.dumps([schema, "null"])
    assert packed.select("id", from_avro("bytes", text).alias("v")).collect() == frame.collect()
    bad = spark.sql("select X'0401' as b")
    assert bad.select(from_avro("b", json.dumps(schema), {"mode": "PERMISSIVE"}).alias("v")).collect() == [Row(v=Row(a=None, b=None))]
    with pytest.raises(SparkException, match="Malformed records are detected in record parsing"):
        bad.select(from_avro("b", json.dumps(schema))).collect()
    evolved = from_avro(col("number"), '["int","null"]', {"avroSchema": '["long","null"]'})
    assert packed.select(evolved.alias("n")).schema["n"].dataType.simpleString() == "bigint" and [r.n for r in packed.select(evolved.alias("n")).collect()] == [1, 2]
    doc = """select schema_of_avro('{"type": "record", "name": "struct", "fields": [{"name": "u", "type": ["int", "string"]}]}', map())"""
    assert spark.sql(doc).first()[0] == "STRUCT<u: STRUCT<member0: INT, member1: STRING> NOT NULL>"
    assert spark.sql("""SELECT to_avro(s, '{"type": "record", "name": "struct", "fields": [{ "name": "u", "type": ["int","string"] }]}') IS NULL FROM (SELECT NULL AS s)""").first()[0]
