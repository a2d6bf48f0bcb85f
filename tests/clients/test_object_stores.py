"""Spark reads and writes, and Delta, on stores behind HTTP. The other side is always somebody else's program."""
import gzip
import io
from concurrent.futures import ThreadPoolExecutor

import deltalake
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from clusters import Cluster
from stores import BUCKET, Flaky, TarnAccount, account, azurite, flaky, s3  # noqa: F401


def session(cluster, conf):
    spark = cluster.session()
    for key, value in conf.items():
        spark.conf.set(key, value)
    return spark


def append_five(cluster, store, path, start):
    spark = session(cluster, store.conf())
    for i in range(start, start + 5):
        spark.range(i, i + 1).write.format("delta").mode("append").save(path)


def write_together(calls):
    """Calls (function, *arguments) at once; none may fail."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(*call) for call in calls]:
            done.result()


@pytest.fixture(scope="module")
def on_s3(cluster, s3):
    return session(cluster, s3.conf())


def values(df):
    return sorted(tuple(r) for r in df.collect())


ROOT = f"s3a://{BUCKET}"


@pytest.mark.parametrize("fmt", ["parquet", "csv", "json", "orc", "avro"])
def test_files_come_back_as_they_were_written(on_s3, s3, fmt):
    df = on_s3.range(1000).select("id", (F.col("id") % 3).cast("string").alias("p"), F.concat(F.lit("v"), "id").alias("v"))
    path = f"{ROOT}/files/{fmt} x"
    df.write.format(fmt).partitionBy("p").save(path)
    names = [k.split("/", 2)[2] for k in s3.keys(f"files/{fmt} x/")]
    assert "_SUCCESS" in names and sorted({n.split("/")[0] for n in names} - {"_SUCCESS"}) == ["p=0", "p=1", "p=2"]
    assert not any("staging" in n or n.startswith(".") for n in names)
    back = on_s3.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path)
    assert values(back.select("id", "p", "v")) == values(df)
    assert back.where("p = '1'").count() == 333
    assert on_s3.read.format(fmt).schema("id BIGINT, v STRING").load(f"{path}/p=*/part-*").count() == 1000
    # append, overwrite, ignore, error
    df.limit(10).write.format(fmt).partitionBy("p").mode("append").save(path)
    assert on_s3.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path).count() == 1010
    df.limit(5).write.format(fmt).mode("overwrite").save(path)
    assert on_s3.read.format(fmt).load(path).count() == 5
    assert len([k for k in s3.keys(f"files/{fmt} x/") if "part-" in k]) == 1
    df.write.format(fmt).mode("ignore").save(path)
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        df.write.format(fmt).save(path)


def test_a_compressed_file_that_another_program_has_put_there_is_read(on_s3, s3):
    rows = "".join(f"{i},name {i}\n" for i in range(300_000))
    s3.client().put_object(Bucket=BUCKET, Key="landing/names.csv.gz", Body=gzip.compress(b"id,name\n" + rows.encode()))
    df = on_s3.read.option("header", True).option("inferSchema", True).csv(f"{ROOT}/landing/names.csv.gz")
    assert df.count() == 300_000 and df.agg(F.sum("id")).first()[0] == sum(range(300_000))
    assert df.select(F.col("_metadata.file_path")).first()[0] == f"{ROOT}/landing/names.csv.gz"
    assert df.inputFiles() == [f"{ROOT}/landing/names.csv.gz"]


def test_a_large_file_goes_up_in_parts_and_comes_down_in_ranges(on_s3, s3):
    path = f"{ROOT}/large"
    df = on_s3.range(300_000).select("id", F.expr("sha2(cast(id as string), 256)").alias("h"))
    df.write.option("compression", "none").parquet(path)
    key = [k for k in s3.keys("large/") if "part-" in k][0]
    head = s3.client().head_object(Bucket=BUCKET, Key=key)
    assert head["ContentLength"] > 20 << 20 and "-" in head["ETag"], "not a multipart upload"
    got = on_s3.read.parquet(path).agg(F.count("*"), F.sum("id"), F.countDistinct("h")).first()
    assert tuple(got) == (300_000, sum(range(300_000)), 300_000)
    assert s3.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_dynamic_overwrite_replaces_only_the_partitions_that_it_writes(on_s3):
    path = f"{ROOT}/dynamic"
    on_s3.range(9).select("id", (F.col("id") % 3).alias("p")).write.partitionBy("p").parquet(path)
    new = on_s3.range(100, 102).select("id", F.lit(1).cast("long").alias("p"))
    new.write.partitionBy("p").mode("overwrite").option("partitionOverwriteMode", "dynamic").parquet(path)
    assert values(on_s3.read.parquet(path).select("id", "p")) == [(0, 0), (2, 2), (3, 0), (5, 2), (6, 0), (8, 2), (100, 1), (101, 1)]


def test_delta_is_read_and_written_on_both_sides(on_s3, s3):
    path = f"{ROOT}/delta/t"
    on_s3.range(100).select("id", (F.col("id") % 4).cast("string").alias("p")).write.format("delta").partitionBy("p").save(path)
    on_s3.sql(f"DELETE FROM delta.`{path}` WHERE id < 10")
    on_s3.sql(f"UPDATE delta.`{path}` SET id = id + 1000 WHERE id < 20")
    on_s3.sql(f"MERGE INTO delta.`{path}` t USING (SELECT 50L AS id, '2' AS p UNION ALL SELECT 5000L, 'new/part=1') s ON t.id = s.id AND t.p = s.p "
              "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT *")
    expected = sorted([(i + 1000, str(i % 4)) for i in range(10, 20)] + [(i, str(i % 4)) for i in range(20, 100) if i != 50] + [(5000, "new/part=1")])
    assert values(on_s3.read.format("delta").load(path)) == expected
    other = deltalake.DeltaTable(f"s3://{BUCKET}/delta/t", storage_options=s3.delta_options())
    frame = other.to_pandas()
    assert sorted(zip(frame["id"], frame["p"])) == expected
    # They append, delete and compact; we read.
    deltalake.write_deltalake(other, pa.table({"id": pa.array([7000, 7001], pa.int64()), "p": ["0", "9"]}), mode="append")
    deltalake.DeltaTable(f"s3://{BUCKET}/delta/t", storage_options=s3.delta_options()).delete("id = 7000")
    assert values(on_s3.read.format("delta").load(path)) == sorted(expected + [(7001, "9")])
    on_s3.sql(f"OPTIMIZE delta.`{path}`")
    on_s3.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    before = len(s3.keys("delta/t/"))
    on_s3.sql(f"VACUUM delta.`{path}` RETAIN 0 HOURS")
    assert len([k for k in s3.keys("delta/t/") if k.endswith(".parquet") and "_delta_log" not in k]) == 6 and before > 6
    assert values(on_s3.read.format("delta").load(path)) == sorted(expected + [(7001, "9")])
    assert on_s3.read.format("delta").option("versionAsOf", 0).load(path).schema == on_s3.read.format("delta").load(path).schema


def test_checkpoints_lie_on_the_store_and_are_used(on_s3, s3):
    path = f"{ROOT}/delta/many"
    for i in range(12):
        on_s3.range(i, i + 1).write.format("delta").mode("append").save(path)
    keys = s3.keys("delta/many/_delta_log/")
    assert any(k.endswith("10.checkpoint.parquet") for k in keys) and "delta/many/_delta_log/_last_checkpoint" in keys
    for v in range(9):  # what is behind the checkpoint is not needed
        s3.client().delete_object(Bucket=BUCKET, Key=f"delta/many/_delta_log/{v:020d}.json")
    assert values(on_s3.read.format("delta").load(path)) == [(i,) for i in range(12)]
    assert deltalake.DeltaTable(f"s3://{BUCKET}/delta/many", storage_options=s3.delta_options()).version() == 11


def test_a_table_of_the_catalog_lies_on_a_store(on_s3, s3):
    on_s3.sql(f"CREATE TABLE on_store (id INT, name STRING) USING delta LOCATION '{ROOT}/tables/one'")
    on_s3.sql("INSERT INTO on_store VALUES (1, 'a'), (2, 'b')")
    on_s3.sql(f"CREATE TABLE files_on_store USING parquet LOCATION '{ROOT}/tables/two' AS SELECT * FROM on_store")
    assert values(on_s3.table("files_on_store")) == [(1, "a"), (2, "b")]
    on_s3.sql("INSERT OVERWRITE files_on_store SELECT 3, 'c'")
    assert values(on_s3.table("files_on_store")) == [(3, "c")]
    on_s3.sql("DROP TABLE on_store")
    on_s3.sql("DROP TABLE files_on_store")
    assert s3.keys("tables/one/") and s3.keys("tables/two/"), "external data stays"


def test_python_functions_read_from_a_store(on_s3):
    path = f"{ROOT}/udf"
    on_s3.range(100).write.parquet(path)
    twice = F.udf(lambda x: x * 2, "long")
    assert on_s3.read.parquet(path).select(twice("id").alias("d")).agg(F.sum("d")).first()[0] == 9900


def test_credentials_are_those_of_the_session(cluster, s3):
    path = f"{ROOT}/private"
    session(cluster, s3.conf()).range(5).write.parquet(path)
    spark = session(cluster, {"fs.s3a.endpoint": s3.endpoint, "fs.s3a.path.style.access": "true"})
    with pytest.raises(Exception, match=r"No credentials for s3a://lake: set fs.s3a.access.key and fs.s3a.secret.key"):
        spark.read.parquet(path).collect()
    for key, value in s3.conf().items():  # as a cluster's configuration names them
        spark.conf.set("spark.hadoop." + key, value)
    assert spark.read.parquet(path).count() == 5


def test_credentials_as_options_are_refused(on_s3):
    for action in (lambda: on_s3.read.option("fs.s3a.access.key", "x").parquet(f"{ROOT}/x"), lambda: on_s3.range(1).write.option("fs.s3a.access.key", "x").parquet(f"{ROOT}/x")):
        with pytest.raises(Exception, match="set them with spark.conf.set"):
            df = action()
            df.collect()


def test_what_does_not_exist_is_named(on_s3):
    with pytest.raises(Exception, match=r"PATH_NOT_FOUND.*s3a://lake/nothing/here"):
        on_s3.read.parquet(f"{ROOT}/nothing/here").collect()
    with pytest.raises(Exception, match=r"s3a://no-such-bucket/x: HTTP 404 NoSuchBucket"):
        on_s3.read.parquet("s3a://no-such-bucket/x").collect()
    with pytest.raises(Exception, match=r'No FileSystem for scheme "ftp"'):
        on_s3.read.parquet("ftp://host/x").collect()


# ---- Azure

AZURE_HOST = "devstoreaccount1.blob.core.windows.net"


@pytest.fixture(scope="module")
def on_azure(cluster, azurite):
    azurite.make_container("lake")
    return session(cluster, azurite.conf())


BLOBS = f"wasbs://lake@{AZURE_HOST}"


@pytest.mark.parametrize("fmt", ["parquet", "csv", "orc", "avro"])
def test_files_come_back_from_azure_blobs(on_azure, fmt):
    df = on_azure.range(1000).select("id", (F.col("id") % 3).cast("string").alias("p"), F.concat(F.lit("v"), "id").alias("v"))
    path = f"{BLOBS}/files/{fmt} x"
    df.write.format(fmt).partitionBy("p").save(path)
    back = on_azure.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path)
    assert values(back.select("id", "p", "v")) == values(df)
    df.limit(10).write.format(fmt).partitionBy("p").mode("append").save(path)
    assert on_azure.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path).count() == 1010
    df.limit(5).write.format(fmt).mode("overwrite").save(path)
    assert on_azure.read.format(fmt).load(path).count() == 5


def test_delta_on_azure_blobs(on_azure, azurite):
    path = f"{BLOBS}/delta/t"
    on_azure.range(100).write.format("delta").save(path)
    on_azure.sql(f"DELETE FROM delta.`{path}` WHERE id < 90")
    on_azure.range(100, 102).write.format("delta").mode("append").save(path)
    assert values(on_azure.read.format("delta").load(path)) == [(i,) for i in range(90, 102)]
    other = deltalake.DeltaTable("az://lake/delta/t", storage_options=azurite.delta_options())
    assert sorted(other.to_pandas()["id"]) == list(range(90, 102))
    on_azure.sql(f"OPTIMIZE delta.`{path}`")
    on_azure.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    on_azure.sql(f"VACUUM delta.`{path}` RETAIN 0 HOURS")
    assert values(on_azure.read.format("delta").load(path)) == [(i,) for i in range(90, 102)]
    # Their table, our append. (deltalake itself appends no third time on Azurite, which lists without an offset.)
    deltalake.write_deltalake("az://lake/theirs", pa.table({"id": pa.array([500], pa.int64())}), storage_options=azurite.delta_options())
    on_azure.range(501, 502).write.format("delta").mode("append").save(f"{BLOBS}/theirs")
    assert sorted(deltalake.DeltaTable("az://lake/theirs", storage_options=azurite.delta_options()).to_pandas()["id"]) == [500, 501]


def test_two_writers_of_one_table_on_azure_blobs(cluster, azurite, on_azure):
    path = f"{BLOBS}/two-writers"
    on_azure.range(0).write.format("delta").save(path)
    write_together([(append_five, cluster, azurite, path, start) for start in (100, 200)])
    assert values(on_azure.read.format("delta").load(path)) == sorted((s + i,) for s in (100, 200) for i in range(5))


def test_a_wrong_account_key_is_told_and_a_shared_access_signature_works(cluster, azurite, on_azure):
    path = f"{BLOBS}/keys"
    on_azure.range(5).write.parquet(path)
    wrong = session(cluster, {**azurite.conf(), f"fs.azure.account.key.{AZURE_HOST}": "d3Jvbmc="})
    with pytest.raises(Exception) as e:
        wrong.read.parquet(path).collect()
    assert "HTTP 403" in str(e.value) and f"fs.azure.account.key.{AZURE_HOST}" in str(e.value)
    assert "d3Jvbmc" not in str(e.value)
    none = session(cluster, {f"fs.azure.account.endpoint.{AZURE_HOST}": azurite.endpoint})
    for action in (lambda: none.read.parquet(path).collect(), lambda: none.range(1).write.parquet(f"{BLOBS}/unsigned")):
        with pytest.raises(Exception, match=f"HTTP 403 AuthorizationFailure; the container is not public: set fs.azure.account.key.{AZURE_HOST}"):
            action()
    sas = session(cluster, {f"fs.azure.account.endpoint.{AZURE_HOST}": azurite.endpoint, f"fs.azure.sas.lake.{AZURE_HOST}": azurite.sas("lake", "rl")})
    assert sas.read.parquet(path).count() == 5
    with pytest.raises(Exception, match="HTTP 403.*shared access signature"):
        sas.range(1).write.parquet(f"{BLOBS}/forbidden")


# ---- Data Lake Storage: the protocol of directories and renames

@pytest.fixture(scope="module")
def on_lake(cluster, account):
    account.make_container("lake")
    return session(cluster, account.conf())


def lake(account):
    return f"abfss://lake@{account.host}"


def test_files_come_back_from_data_lake_storage(on_lake, account):
    df = on_lake.range(1000).select("id", (F.col("id") % 3).cast("string").alias("p"), F.concat(F.lit("v"), "id").alias("v"))
    for fmt in ("parquet", "csv", "json", "orc", "avro"):
        path = f"{lake(account)}/files/{fmt} x"
        df.write.format(fmt).partitionBy("p").save(path)
        back = on_lake.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path)
        assert values(back.select("id", "p", "v")) == values(df)
        assert on_lake.read.format(fmt).schema("id BIGINT, v STRING").load(f"{path}/p=*/part-*").count() == 1000
        df.limit(10).write.format(fmt).partitionBy("p").mode("append").save(path)
        assert on_lake.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path).count() == 1010
        df.limit(5).write.format(fmt).mode("overwrite").save(path)
        assert on_lake.read.format(fmt).load(path).count() == 5


def test_a_large_file_is_appended_in_parts_and_read_in_ranges(on_lake, account):
    path = f"{lake(account)}/large"
    on_lake.range(300_000).select("id", F.expr("sha2(cast(id as string), 256)").alias("h")).write.option("compression", "none").parquet(path)
    assert tuple(on_lake.read.parquet(path).agg(F.count("*"), F.sum("id"), F.countDistinct("h")).first()) == (300_000, sum(range(300_000)), 300_000)


def test_delta_on_data_lake_storage(on_lake, account):
    path = f"{lake(account)}/delta/t"
    on_lake.range(100).select("id", (F.col("id") % 4).cast("string").alias("p")).write.format("delta").partitionBy("p").save(path)
    on_lake.sql(f"DELETE FROM delta.`{path}` WHERE id < 90")
    on_lake.sql(f"MERGE INTO delta.`{path}` t USING (SELECT 95L AS id, '3' AS p UNION ALL SELECT 5000L, 'a/b=c d') s ON t.id = s.id "
                "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT *")
    expected = sorted([(i, str(i % 4)) for i in range(90, 100) if i != 95] + [(5000, "a/b=c d")])
    assert values(on_lake.read.format("delta").load(path)) == expected
    for i in range(10):
        on_lake.range(200 + i, 201 + i).selectExpr("id", "'0' AS p").write.format("delta").mode("append").save(path)
        expected.append((200 + i, "0"))
    on_lake.sql(f"OPTIMIZE delta.`{path}`")
    on_lake.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    on_lake.sql(f"VACUUM delta.`{path}` RETAIN 0 HOURS")
    assert values(on_lake.read.format("delta").load(path)) == sorted(expected)
    other = deltalake.DeltaTable(f"abfss://lake@{account.host}/delta/t", storage_options=account.delta_options()).to_pandas()
    assert sorted(zip(other["id"], other["p"])) == sorted(expected)


def test_two_writers_of_one_table_on_data_lake_storage(cluster, account, on_lake):
    path = f"{lake(account)}/two-writers"
    on_lake.range(0).write.format("delta").save(path)
    write_together([(append_five, cluster, account, path, start) for start in (100, 200)])
    assert values(on_lake.read.format("delta").load(path)) == sorted((s + i,) for s in (100, 200) for i in range(5))


def test_a_wrong_key_of_a_lake_is_told_without_the_key(cluster, account):
    wrong = session(cluster, {**account.conf(), f"fs.azure.account.key.{account.host}": "d3Jvbmc="})
    with pytest.raises(Exception) as e:
        wrong.read.parquet(f"{lake(account)}/x").collect()
    assert "HTTP 403" in str(e.value) and f"fs.azure.account.key.{account.host} is not a key of the account" in str(e.value) and "d3Jvbmc" not in str(e.value)
    with pytest.raises(Exception, match=f"No credentials for the storage account {account.host}: set fs.azure.account.key.{account.host}"):
        cluster.session().read.parquet(f"{lake(account)}/x").collect()


@pytest.fixture
def flaky_account(account):
    proxy = Flaky(account.port)
    proxy.account_endpoint = f"{proxy.endpoint}/{account.account}"
    yield proxy
    proxy.shutdown()
    proxy.server_close()


def test_a_lake_that_is_busy_or_breaks_off_is_asked_again(cluster, account, on_lake, flaky_account):
    spark = session(cluster, account.conf(flaky_account.account_endpoint))
    seen = {}

    def fault(method, path):
        n = seen[(method, path)] = seen.get((method, path), 0) + 1
        return {1: 503, 2: "cut" if method == "GET" else "lost"}.get(n)

    flaky_account.fault = fault
    path = f"{lake(account)}/busy"
    spark.range(50).write.format("delta").save(path)
    spark.range(50, 60).write.format("delta").mode("append").save(path)
    assert values(spark.read.format("delta").load(path)) == [(i,) for i in range(60)]
    assert spark.sql(f"DESCRIBE HISTORY delta.`{path}`").count() == 2
    assert flaky_account.count > 10
    spark.range(1000).write.parquet(f"{lake(account)}/busy-files")
    assert spark.read.parquet(f"{lake(account)}/busy-files").count() == 1000
    flaky_account.fault = lambda method, path: None
    names = [f.name for f in account.paths("lake", "busy")] + [f.name for f in account.paths("lake", "busy-files")]
    assert not any(n.endswith(".tmp") for n in names), names


def test_a_service_principal_over_tls_and_what_it_may_not(tmp_path, monkeypatch):
    from azure_server import ACCOUNT, TENANT, AzureServer

    server = AzureServer(tmp_path / "azure")
    monkeypatch.setenv("SSL_CERT_FILE", server.ca)
    c = Cluster(tmp_path / "home")
    try:
        server.lake().create_file_system("lake")
        host = f"{ACCOUNT}.dfs.localhost:{server.port}"

        def conf(who):
            return {"fs.azure.account.auth.type": "OAuth",
                    "fs.azure.account.oauth.provider.type": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
                    f"fs.azure.account.oauth2.client.id.{host}": who["id"], f"fs.azure.account.oauth2.client.secret.{host}": who["secret"],
                    f"fs.azure.account.oauth2.client.endpoint.{host}": f"{server.url}/{TENANT}/oauth2/token"}

        owner = session(c, conf(server.owner))
        path = f"abfss://lake@{host}/t"
        owner.range(5).write.format("delta").save(path)
        owner.sql(f"DELETE FROM delta.`{path}` WHERE id = 3")
        reader = session(c, conf(server.reader))
        assert values(reader.read.format("delta").load(path)) == [(0,), (1,), (2,), (4,)]
        with pytest.raises(Exception, match="HTTP 403 AuthorizationPermissionMismatch.*needs a role"):
            reader.range(1).write.format("delta").mode("append").save(path)
        wrong = session(c, conf({**server.owner, "secret": "n0-such-secret"}))
        with pytest.raises(Exception, match="cannot sign in at.*fs.azure.account.oauth2.client.id and secret") as e:
            wrong.read.format("delta").load(path).collect()
        assert "n0-such" not in str(e.value)
        monkeypatch.delenv("SSL_CERT_FILE")
        other = Cluster(tmp_path / "other")
        try:
            with pytest.raises(Exception, match="the certificate of .* is not trusted"):
                session(other, {f"fs.azure.account.key.{host}": server.key}).read.parquet(f"abfss://lake@{host}/t").collect()
        finally:
            other.stop()
    finally:
        c.stop()
        server.stop()


def test_a_shared_access_signature_of_a_lake(cluster, account, on_lake):
    from azure.storage.filedatalake import FileSystemSasPermissions, generate_file_system_sas

    import datetime
    token = generate_file_system_sas(account.account, "lake", account.key, permission=FileSystemSasPermissions.from_string("racwdlmeop"),
                                     expiry=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1))
    spark = session(cluster, {f"fs.azure.account.auth.type.{account.host}": "SAS", f"fs.azure.sas.fixed.token.{account.host}": token,
                              f"fs.azure.account.endpoint.{account.host}": account.endpoint})
    path = f"{lake(account)}/sas"
    spark.range(5).write.format("delta").save(path)
    spark.range(5, 7).write.format("delta").mode("append").save(path)
    assert spark.read.format("delta").load(path).count() == 7


# ---- dbfs: and mounts

def test_mounts_and_dbfs_paths(cluster, s3, tmp_path):
    spark = session(cluster, {**s3.conf(), "fs.dbfs.mount./mnt/lake": f"{ROOT}/mounted", "fs.dbfs.root": str(tmp_path)})
    spark.range(10).write.parquet("dbfs:/mnt/lake/a")
    assert any(k.startswith("mounted/a/part-") for k in s3.keys("mounted/"))
    assert spark.read.parquet("/mnt/lake/a").count() == 10
    assert spark.read.parquet(f"{ROOT}/mounted/a").count() == 10
    assert spark.read.parquet("dbfs:/mnt/lake/*").count() == 10
    spark.range(3).selectExpr("id", "id AS p").write.format("delta").partitionBy("p").save("/mnt/lake/d")
    spark.sql("DELETE FROM delta.`/mnt/lake/d` WHERE id = 1")
    assert values(spark.read.format("delta").load(f"{ROOT}/mounted/d")) == [(0, 0), (2, 2)]
    spark.range(4).write.format("delta").save("dbfs:/tables/t")
    assert (tmp_path / "tables" / "t" / "_delta_log").is_dir() and spark.read.format("delta").load("dbfs:/tables/t").count() == 4
    with pytest.raises(Exception, match="There is no volume at /Volumes/main/x/y/z"):
        spark.read.parquet("dbfs:/Volumes/main/x/y/z").collect()


def test_volumes_of_the_workspace_are_paths(tmp_path):
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.catalog import VolumeType

    server = TarnAccount(tmp_path)
    try:
        w = WorkspaceClient(host=f"http://127.0.0.1:{server.port}", token=(tmp_path / "admin-token").read_text().strip())
        w.catalogs.create("files")
        w.schemas.create("raw", "files")
        w.volumes.create("files", "raw", "landing", VolumeType.MANAGED)
        w.files.upload("/Volumes/files/raw/landing/in/a.csv", io.BytesIO(b"x,y\n1,2\n"))
        c = Cluster(tmp_path / "cluster", "--warehouse", str(tmp_path / "warehouse"))
        try:
            spark = c.session()
            assert values(spark.read.option("header", True).csv("/Volumes/files/raw/landing/in")) == [("1", "2")]
            spark.range(3).write.parquet("dbfs:/Volumes/files/raw/landing/out")
            spark.range(3).write.format("delta").save("/Volumes/files/raw/landing/table")
            assert spark.read.format("delta").load("dbfs:/Volumes/files/raw/landing/table").count() == 3
            assert "_SUCCESS" in [e.name for e in w.files.list_directory_contents("/Volumes/files/raw/landing/out")]
        finally:
            c.stop()
    finally:
        server.stop()


# ---- faults

def test_a_store_that_is_busy_for_a_while_is_asked_again(cluster, s3, flaky):
    spark = session(cluster, s3.conf(flaky.endpoint))
    seen = {}

    def twice(method, path):
        n = seen[(method, path)] = seen.get((method, path), 0) + 1
        return (503, 429)[n - 1] if n <= 2 else None

    flaky.fault = twice
    path = f"{ROOT}/busy"
    spark.range(50).write.format("delta").save(path)
    spark.range(50, 60).write.format("delta").mode("append").save(path)
    assert spark.read.format("delta").load(path).count() == 60
    assert flaky.count > 10


@pytest.mark.parametrize("fmt", ["parquet", "orc"])
def test_the_end_of_a_file_is_asked_for_once(cluster, s3, flaky, fmt):
    path = f"{ROOT}/ends/{fmt}"
    spark = session(cluster, s3.conf(flaky.endpoint))
    spark.range(1000).write.format(fmt).option("maxRecordsPerFile", 100).save(path)
    asked = []
    flaky.fault = lambda method, p: asked.append(p) if method == "GET" and "part-" in p.split("?")[0] else None
    # The schema, the planning and every thread of the scan want it: the files are so small that it is all of them.
    assert spark.read.format(fmt).load(path).selectExpr("sum(id)").first()[0] == 499500
    assert len(asked) == len(set(asked)) == 10


def test_an_answer_that_breaks_off_is_fetched_again(cluster, s3, flaky):
    spark = session(cluster, s3.conf(flaky.endpoint))
    path = f"{ROOT}/broken"
    spark.range(200_000).write.parquet(path)
    seen = set()

    def first_time(method, request):
        if method == "GET" and "part-" in request and (method, request) not in seen:
            seen.add((method, request))
            return "cut"
        return None

    flaky.fault = first_time
    assert spark.read.parquet(path).agg(F.sum("id")).first()[0] == sum(range(200_000))
    assert flaky.count >= 1


def test_a_commit_whose_answer_is_lost_counts_once(cluster, s3, flaky):
    spark = session(cluster, s3.conf(flaky.endpoint))
    path = f"{ROOT}/lost"
    spark.range(3).write.format("delta").save(path)
    lost = []

    def commits(method, request):
        if method == "PUT" and request.endswith("0000001.json") and not lost:
            lost.append(request)
            return "lost"
        return None

    flaky.fault = commits
    spark.range(3, 5).write.format("delta").mode("append").save(path)
    assert lost
    assert values(spark.read.format("delta").load(path)) == [(i,) for i in range(5)]
    assert spark.sql(f"DESCRIBE HISTORY delta.`{path}`").count() == 2


def test_a_store_that_stays_broken_gives_one_clear_error(cluster, s3, flaky):
    spark = session(cluster, {**s3.conf(flaky.endpoint), "fs.s3a.attempts.maximum": "2"})
    flaky.fault = lambda method, path: 503
    with pytest.raises(Exception) as e:
        spark.read.parquet(f"{ROOT}/x").collect()
    text = str(e.value)
    assert f"{ROOT}/x: HTTP 503" in text and "tried 2 times" in text and s3.secret not in text
    spark.conf.set("fs.s3a.endpoint", "http://127.0.0.1:9")
    with pytest.raises(Exception, match=r"cannot connect to 127.0.0.1:9: Connection refused"):
        spark.read.parquet(f"{ROOT}/x").collect()


def test_a_wrong_key_gives_one_clear_error_without_the_key(cluster, s3, flaky):
    spark = session(cluster, {**s3.conf(flaky.endpoint), "fs.s3a.secret.key": "wr0ng-s3cret"})
    flaky.fault = lambda method, path: 403
    for action in (lambda: spark.read.parquet(f"{ROOT}/x").collect(), lambda: spark.range(1).write.parquet(f"{ROOT}/y"),
                   lambda: spark.range(1).write.format("delta").save(f"{ROOT}/z")):
        with pytest.raises(Exception) as e:
            action()
        text = str(e.value)
        assert "HTTP 403" in text and "fs.s3a.access.key" in text, text
        assert "wr0ng" not in text
    assert "wr0ng" not in open(f"{cluster.home}/stderr.log").read()


def test_two_writers_of_one_table_lose_nothing(cluster, s3):
    path = f"{ROOT}/two-writers"
    session(cluster, s3.conf()).range(0).write.format("delta").save(path)

    def theirs():
        for i in range(300, 305):
            deltalake.write_deltalake(f"s3://{BUCKET}/two-writers", pa.table({"id": pa.array([i], pa.int64())}), mode="append",
                                      storage_options=s3.delta_options())

    write_together([(append_five, cluster, s3, path, 100), (append_five, cluster, s3, path, 200), (theirs,)])
    got = values(session(cluster, s3.conf()).read.format("delta").load(path))
    assert got == sorted((s + i,) for s in (100, 200, 300) for i in range(5))
    assert len([k for k in s3.keys("two-writers/_delta_log/") if k.endswith(".json")]) == 16


def test_a_write_that_fails_leaves_the_target_as_it_was(on_s3, s3):
    path = f"{ROOT}/kept"
    on_s3.range(5).write.parquet(path)
    before = s3.keys("kept/")
    for fmt in ("parquet", "csv"):
        with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
            on_s3.range(100_000).select(F.expr("CAST(IF(id = 99999, 'x', '1') AS INT)").alias("id")).write.mode("overwrite").format(fmt).save(path)
        assert s3.keys("kept/") == before
    assert on_s3.read.parquet(path).count() == 5
    assert s3.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
