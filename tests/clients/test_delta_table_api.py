"""Delta's own Python API (package delta-spark) over Spark Connect, unmodified. What it must do is written in Delta's documentation; what it
wrote is read back with deltalake, an implementation that is not ours."""
import os

os.environ.setdefault("SPARK_HOME", "/")  # delta-spark looks for one when it is imported without the whole pyspark package

import pytest
import delta.connect.proto as proto
from delta.connect.plan import DeltaScan
from delta.connect.tables import DeltaTable
from deltalake import DeltaTable as Independent
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F


@pytest.fixture
def path(spark, tmp_path):
    path = str(tmp_path / "people")
    spark.createDataFrame([(1, "Ann", 10), (2, "Bo", 20), (3, "Cy", 30)], "id INT, name STRING, age INT").write.format("delta").save(path)
    return path


def rows(path):
    return sorted(tuple(r.values()) for r in Independent(path).to_pyarrow_table().to_pylist())


def test_for_path_and_alias(spark, path):
    table = DeltaTable.forPath(spark, path)
    assert table.toDF().count() == 3
    assert table.alias("t").toDF().where("t.id > 1").select("t.name").orderBy("name").collect() == [("Bo",), ("Cy",)]


def test_delete_and_update(spark, path):
    table = DeltaTable.forPath(spark, path)
    assert table.delete("age > 25").collect()[0].num_affected_rows == 1
    assert table.update(condition=F.col("id") == 1, set={"age": F.col("age") + 1, "name": F.lit("Anna")}).collect()[0].num_affected_rows == 1
    assert table.update(set={"age": "age * 2"}).collect()[0].num_affected_rows == 2
    assert rows(path) == [(1, "Anna", 22), (2, "Bo", 40)]
    assert table.delete().collect()[0].num_affected_rows == 2
    assert rows(path) == []


def test_merge_with_every_clause(spark, path):
    changes = spark.createDataFrame([(1, "Ann B", 11), (2, "gone", 0), (9, "Zoe", 90)], "id INT, name STRING, age INT")
    answer = (DeltaTable.forPath(spark, path).alias("t").merge(changes.alias("s"), "t.id = s.id")
              .whenMatchedDelete("s.name = 'gone'")
              .whenMatchedUpdate(set={"name": "s.name", "age": F.col("s.age") + F.col("t.age")})
              .whenNotMatchedInsert(values={"id": "s.id", "name": "s.name", "age": F.lit(5)})
              .whenNotMatchedBySourceUpdate(condition="t.age >= 30", set={"age": F.lit(-1)})
              .execute().collect()[0])
    assert (answer.num_affected_rows, answer.num_updated_rows, answer.num_deleted_rows, answer.num_inserted_rows) == (4, 2, 1, 1)
    assert rows(path) == [(1, "Ann B", 21), (3, "Cy", -1), (9, "Zoe", 5)]


def test_merge_all_columns_named_by_their_dataframes(spark, path):
    table = DeltaTable.forPath(spark, path)
    source = spark.createDataFrame([(3, "Cyd", 31), (4, "Di", 40)], "id INT, name STRING, age INT")
    target = table.toDF()
    DeltaTable.forPath(spark, path).alias("t").merge(source.alias("s"), "t.id = s.id").whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
    assert rows(path) == [(1, "Ann", 10), (2, "Bo", 20), (3, "Cyd", 31), (4, "Di", 40)]
    table.delete(target["id"] == 4)
    assert rows(path) == [(1, "Ann", 10), (2, "Bo", 20), (3, "Cyd", 31)]


def test_history_detail_restore(spark, path):
    table = DeltaTable.forPath(spark, path)
    table.delete("id = 1")
    assert [r.operation for r in table.history().select("operation", "version").orderBy("version").collect()] == ["WRITE", "DELETE"]
    assert table.history(1).count() == 1
    detail = table.detail().collect()[0]
    assert detail.format == "delta" and detail.location.endswith("/people")
    table.restoreToVersion(0)
    assert rows(path) == [(1, "Ann", 10), (2, "Bo", 20), (3, "Cy", 30)]


def test_maintenance(spark, path):
    spark.createDataFrame([(4, "Di", 40)], "id INT, name STRING, age INT").write.format("delta").mode("append").save(path)
    table = DeltaTable.forPath(spark, path)
    metrics = table.optimize().executeCompaction().collect()[0]
    assert metrics.metrics.numFilesAdded == 1
    assert len(Independent(path).file_uris()) == 1
    table.optimize().executeZOrderBy("id", "age")
    with pytest.raises(Exception, match="DELTA_.*RETENTION|retention"):
        table.vacuum(0)
    table.vacuum()
    assert len(rows(path)) == 4


def test_builder(spark, tmp_path):
    path = str(tmp_path / "built")
    builder = (DeltaTable.create(spark).location(path).addColumn("id", "INT", nullable=False).addColumn("day", "DATE")
               .addColumn("year", "INT", generatedAlwaysAs="year(day)").property("delta.appendOnly", "true").comment("of days").partitionedBy("year"))
    table = builder.execute()
    spark.sql("SELECT 1 AS id, DATE'2024-05-06' AS day").write.format("delta").mode("append").save(path)
    assert table.toDF().select("id", "year").collect() == [(1, 2024)]
    independent = Independent(path)
    assert independent.metadata().partition_columns == ["year"]
    assert independent.metadata().configuration["delta.appendOnly"] == "true"
    with pytest.raises(AnalysisException):
        builder.execute()
    DeltaTable.createIfNotExists(spark).location(path).addColumn("id", "INT").execute()
    with pytest.raises(Exception, match="DELTA_CANNOT_MODIFY_APPEND_ONLY"):
        table.delete()


def test_by_name(spark):
    DeltaTable.createOrReplace(spark).tableName("built_by_name").addColumn("id", "BIGINT").addColumn("v", "STRING").execute()
    table = DeltaTable.forName(spark, "built_by_name")
    table.merge(spark.range(3).selectExpr("id", "'x' AS v").alias("s"), "built_by_name.id = s.id").whenNotMatchedInsertAll().execute()
    assert spark.table("built_by_name").count() == 3
    table.addFeatureSupport("deletionVectors")
    assert "deletionVectors" in table.detail().collect()[0].tableFeatures
    spark.sql("DROP TABLE built_by_name")


def test_is_delta_table_and_what_is_none(spark, path, tmp_path):
    assert DeltaTable.isDeltaTable(spark, path)
    assert not DeltaTable.isDeltaTable(spark, str(tmp_path))
    spark.range(3).write.parquet(str(tmp_path / "p"))
    with pytest.raises(AnalysisException) as e:
        DeltaTable.forPath(spark, str(tmp_path / "p")).delete()
    assert e.value.getCondition() == "DELTA_MISSING_DELTA_TABLE"
    with pytest.raises(AnalysisException) as e:
        DeltaTable.forName(spark, "no_such_table").history().collect()
    assert e.value.getCondition() == "TABLE_OR_VIEW_NOT_FOUND"
    # The Python client drops hadoopConf; Scala's sends it.
    message = proto.DeltaTable()
    message.path.path = path
    message.path.hadoop_conf["fs.azure.account.key"] = "x"
    configured = DeltaTable(spark, plan=DeltaScan(message))
    for use in (configured.toDF().collect, configured.delete):
        with pytest.raises(Exception, match="hadoopConf"):
            use()
