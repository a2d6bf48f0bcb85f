"""Data sources written in Python (spark.dataSource.register). Expected values are Spark's."""
import glob
import json
import os

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException, PythonException
from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceWriter, InputPartition, WriterCommitMessage


@pytest.fixture
def spark(cluster):
    return cluster.session()


class Numbers(DataSource):
    @classmethod
    def name(cls):
        return "numbers"

    def schema(self):
        return "n bigint, text string"

    def reader(self, schema):
        return NumbersReader(int(self.options.get("count", 3)), int(self.options.get("parts", 1)), len(schema.names))


class NumbersReader(DataSourceReader):
    def __init__(self, count, parts, width):
        self.count, self.parts, self.width = count, parts, width

    def partitions(self):
        return [InputPartition(i) for i in range(self.parts)]

    def read(self, partition):
        for i in range(self.count):
            yield (i + 1000 * partition.value, f"p{partition.value}")[: self.width]


def by_value(module_class):
    """Workers do not have this module."""
    import sys

    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return module_class


def test_every_partition_is_read_once(spark):
    spark.dataSource.register(by_value(Numbers))
    df = spark.read.format("numbers").option("parts", 5).load()
    assert df.dtypes == [("n", "bigint"), ("text", "string")]
    assert sorted(map(tuple, df.collect())) == [(i + 1000 * p, f"p{p}") for p in range(5) for i in range(3)]
    assert df.where("text = 'p4'").selectExpr("sum(n)").collect()[0][0] == 12003
    assert spark.read.format("numbers").option("count", 20_000).load().count() == 20_000


def test_a_schema_of_the_user_comes_first(spark):
    spark.dataSource.register(by_value(Numbers))
    assert [tuple(r) for r in spark.read.format("numbers").schema("a int").load().collect()] == [(0,), (1,), (2,)]


def test_batches_of_arrow(spark):
    class Batches(DataSource):
        @classmethod
        def name(cls):
            return "batches"

        def schema(self):
            return "x int"

        def reader(self, schema):
            class Reader(DataSourceReader):
                def read(self, partition):
                    for i in range(3):
                        yield pa.record_batch({"x": pa.array([i, None], pa.int32())})

            return Reader()

    spark.dataSource.register(Batches)
    assert sorted(r[0] for r in spark.read.format("batches").load().where("x IS NOT NULL").collect()) == [0, 1, 2]


def test_paths_are_options(spark):
    class Echo(DataSource):
        @classmethod
        def name(cls):
            return "echo"

        def schema(self):
            return "o string"

        def reader(self, schema):
            text = json.dumps(dict(sorted((k.lower(), v) for k, v in self.options.items())))

            class Reader(DataSourceReader):
                def read(self, partition):
                    yield (text,)

            return Reader()

    spark.dataSource.register(Echo)
    assert json.loads(spark.read.format("ECHO").option("A", 1).load("/x/y").collect()[0][0]) == {"a": "1", "path": "/x/y"}


def test_errors_name_what_failed(spark):
    class Broken(DataSource):
        @classmethod
        def name(cls):
            return "broken"

        def schema(self):
            if self.options.get("at") == "schema":
                raise ValueError("no schema")
            return "x int"

        def reader(self, schema):
            if self.options.get("at") == "reader":
                raise ValueError("no reader")

            class Reader(DataSourceReader):
                def read(self, partition):
                    raise ValueError("no rows")

            return Reader()

    spark.dataSource.register(Broken)
    for at, message in (("schema", "no schema"), ("reader", "no reader")):
        with pytest.raises(AnalysisException, match=f"PYTHON_DATA_SOURCE_ERROR.*(?s:.*){message}"):
            spark.read.format("broken").option("at", at).load().collect()
    with pytest.raises(PythonException, match="no rows"):
        spark.read.format("broken").load().collect()
    with pytest.raises(AnalysisException, match="DATA_SOURCE_ALREADY_EXISTS"):
        spark.dataSource.register(type("Csv", (Broken,), {"name": classmethod(lambda cls: "csv")}))
    with pytest.raises(Exception, match="DATA_SOURCE_NOT_FOUND"):
        spark.read.format("not_registered").load().collect()


class Message(WriterCommitMessage):
    def __init__(self, rows):
        self.rows = rows


class Lines(DataSource):
    @classmethod
    def name(cls):
        return "lines"

    def writer(self, schema, overwrite):
        return LinesWriter(self.options["path"], overwrite, schema.names)


class LinesWriter(DataSourceWriter):
    def __init__(self, path, overwrite, names):
        self.path, self.overwrite, self.names = path, overwrite, names

    def write(self, rows):
        n = 0
        import uuid

        with open(os.path.join(self.path, f"part-{uuid.uuid4()}.jsonl"), "w") as f:
            for r in rows:
                if r[0] == 13:
                    raise ValueError("unlucky")
                f.write(json.dumps(r.asDict()) + "\n")
                n += 1
        return Message(n)

    def commit(self, messages):
        with open(os.path.join(self.path, "_done"), "w") as f:
            json.dump({"rows": sum(m.rows for m in messages), "overwrite": self.overwrite}, f)

    def abort(self, messages):
        with open(os.path.join(self.path, "_aborted"), "w") as f:
            f.write(str(len(messages)))


def test_rows_are_written_and_committed(spark, tmp_path):
    spark.dataSource.register(by_value(Lines))
    os.chmod(tmp_path, 0o777)
    df = spark.range(10).selectExpr("id", "concat('v', id) AS v")
    df.write.format("lines").mode("append").save(str(tmp_path))
    written = [json.loads(line) for p in glob.glob(f"{tmp_path}/part-*") for line in open(p)]
    assert sorted(r["id"] for r in written) == list(range(10)) and {"id": 3, "v": "v3"} in written
    assert json.load(open(tmp_path / "_done")) == {"rows": 10, "overwrite": False}
    spark.range(1).write.format("lines").mode("overwrite").save(str(tmp_path))
    assert json.load(open(tmp_path / "_done")) == {"rows": 1, "overwrite": True}


def test_a_failed_write_is_aborted(spark, tmp_path):
    spark.dataSource.register(by_value(Lines))
    with pytest.raises(PythonException, match="unlucky"):
        spark.range(20).write.format("lines").mode("append").save(str(tmp_path))
    assert (tmp_path / "_aborted").exists() and not (tmp_path / "_done").exists()
    with pytest.raises(AnalysisException, match="UNSUPPORTED_DATA_SOURCE_SAVE_MODE"):
        spark.range(1).write.format("lines").save(str(tmp_path))
