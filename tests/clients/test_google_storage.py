"""Spark and Delta on gs: with Google's client and deltalake beside them, against fake-gcs-server."""
import json

import deltalake
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from stores import BUCKET, GcsFlaky, GoogleTokens, gcs  # noqa: F401
from test_object_stores import append_five, session, values, write_together

ROOT = f"gs://{BUCKET}"


@pytest.fixture(scope="module")
def on_gcs(cluster, gcs):
    return session(cluster, gcs.conf())


@pytest.fixture
def flaky(gcs):
    proxy = GcsFlaky(gcs.port)
    yield proxy
    proxy.shutdown()
    proxy.server_close()


@pytest.fixture
def tokens():
    server = GoogleTokens()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("fmt", ["parquet", "csv", "json"])
def test_files_come_back_from_google_storage(on_gcs, gcs, fmt):
    df = on_gcs.range(1000).select("id", (F.col("id") % 3).cast("string").alias("p"), F.concat(F.lit("v"), "id").alias("v"))
    path = f"{ROOT}/files/{fmt} x"
    df.write.format(fmt).partitionBy("p").save(path)
    names = [k.split("/", 2)[2] for k in gcs.keys(f"files/{fmt} x/")]
    assert "_SUCCESS" in names and sorted({n.split("/")[0] for n in names} - {"_SUCCESS"}) == ["p=0", "p=1", "p=2"]
    back = on_gcs.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path)
    assert values(back.select("id", "p", "v")) == values(df)
    assert on_gcs.read.format(fmt).schema("id BIGINT, v STRING").load(f"{path}/p=*/part-*").count() == 1000
    df.limit(10).write.format(fmt).partitionBy("p").mode("append").save(path)
    assert on_gcs.read.format(fmt).schema("id BIGINT, v STRING, p STRING").load(path).count() == 1010
    df.limit(5).write.format(fmt).mode("overwrite").save(path)
    assert on_gcs.read.format(fmt).load(path).count() == 5
    assert len([k for k in gcs.keys(f"files/{fmt} x/") if "part-" in k]) == 1
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        df.write.format(fmt).save(path)


def test_what_googles_client_has_put_there_is_read_and_the_other_way_round(on_gcs, gcs):
    rows = "".join(f"{i},näme {i}\n" for i in range(100_000))
    gcs.client().bucket(BUCKET).blob("landing/2024 né/names.csv").upload_from_string("id,name\n" + rows)
    df = on_gcs.read.option("header", True).option("inferSchema", True).csv(f"{ROOT}/landing/*/names.csv")
    assert df.count() == 100_000 and df.where("name = 'näme 7'").first()["id"] == 7
    df.coalesce(1).write.csv(f"{ROOT}/out")
    part = [k for k in gcs.keys("out/") if "part-" in k][0]
    assert sorted(gcs.client().bucket(BUCKET).blob(part).download_as_text().splitlines()) == sorted(rows.splitlines())


def test_a_large_file_goes_up_in_parts_and_comes_down_in_ranges(cluster, gcs, flaky):
    spark = session(cluster, {**gcs.conf(flaky.endpoint), "fs.gs.outputstream.upload.chunk.size": "1M"})
    sent = []
    flaky.fault = lambda method, path: sent.append((method, path)) if "upload_id=" in path else None
    path = f"{ROOT}/large"
    spark.range(300_000).select("id", F.expr("sha2(cast(id as string), 256)").alias("h")).write.option("compression", "none").parquet(path)
    key = [k for k in gcs.keys("large/") if "part-" in k][0]
    assert gcs.client().bucket(BUCKET).get_blob(key).size > 20 << 20
    assert len([m for m, _ in sent if m == "PUT"]) >= 20
    assert tuple(spark.read.parquet(path).agg(F.count("*"), F.sum("id"), F.countDistinct("h")).first()) == (300_000, sum(range(300_000)), 300_000)


def test_delta_is_read_and_written_on_both_sides(on_gcs, gcs):
    path = f"{ROOT}/delta/t"
    on_gcs.range(100).select("id", (F.col("id") % 4).cast("string").alias("p")).write.format("delta").partitionBy("p").save(path)
    on_gcs.sql(f"DELETE FROM delta.`{path}` WHERE id < 90")
    on_gcs.sql(f"MERGE INTO delta.`{path}` t USING (SELECT 95L AS id, '3' AS p UNION ALL SELECT 5000L, 'a/b=c d') s ON t.id = s.id "
               "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT *")
    expected = sorted([(i, str(i % 4)) for i in range(90, 100) if i != 95] + [(5000, "a/b=c d")])
    assert values(on_gcs.read.format("delta").load(path)) == expected
    for i in range(10):
        on_gcs.range(200 + i, 201 + i).selectExpr("id", "'0' AS p").write.format("delta").mode("append").save(path)
        expected.append((200 + i, "0"))
    on_gcs.sql(f"OPTIMIZE delta.`{path}`")
    on_gcs.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    on_gcs.sql(f"VACUUM delta.`{path}` RETAIN 0 HOURS")
    assert any(k.endswith("10.checkpoint.parquet") for k in gcs.keys("delta/t/_delta_log/"))
    assert values(on_gcs.read.format("delta").load(path)) == sorted(expected)
    other = deltalake.DeltaTable(path, storage_options=gcs.delta_options())
    frame = other.to_pandas()
    assert sorted(zip(frame["id"], frame["p"])) == sorted(expected)


def test_a_table_that_others_have_made_goes_on(on_gcs, gcs, tmp_path):
    # (deltalake cannot write here: the emulator lacks the XML API's PUT. Google's client carries its table over.)
    deltalake.write_deltalake(tmp_path / "t", pa.table({"id": pa.array([500], pa.int64())}))
    for file in (f for f in (tmp_path / "t").rglob("*") if f.is_file()):
        gcs.client().bucket(BUCKET).blob(f"theirs/{file.relative_to(tmp_path / 't')}").upload_from_filename(file)
    on_gcs.range(501, 502).write.format("delta").mode("append").save(f"{ROOT}/theirs")
    assert sorted(deltalake.DeltaTable(f"{ROOT}/theirs", storage_options=gcs.delta_options()).to_pandas()["id"]) == [500, 501]


def test_two_writers_of_one_table_lose_nothing(cluster, gcs, on_gcs):
    path = f"{ROOT}/two-writers"
    on_gcs.range(0).write.format("delta").save(path)
    write_together([(append_five, cluster, gcs, path, start) for start in (100, 200)])
    assert values(on_gcs.read.format("delta").load(path)) == sorted((s + i,) for s in (100, 200) for i in range(5))
    assert len([k for k in gcs.keys("two-writers/_delta_log/") if k.endswith(".json")]) == 11


def test_a_store_that_is_busy_breaks_off_or_loses_answers(cluster, gcs, flaky):
    spark = session(cluster, {**gcs.conf(flaky.endpoint), "fs.gs.outputstream.upload.chunk.size": "256K"})
    seen = {}

    def fault(method, path):
        n = seen[(method, path)] = seen.get((method, path), 0) + 1
        return {1: 503, 2: "cut" if method == "GET" else "lost"}.get(n)

    flaky.fault = fault
    path = f"{ROOT}/busy"
    spark.range(50).write.format("delta").save(path)
    spark.range(50, 60).write.format("delta").mode("append").save(path)
    assert values(spark.read.format("delta").load(path)) == [(i,) for i in range(60)]
    assert spark.sql(f"DESCRIBE HISTORY delta.`{path}`").count() == 2
    # Every other part of an upload is lost, before or after the store has it; so is every other answer on how much it has.
    turn = [0]

    def lossy(method, path):
        turn[0] += "upload_id=" in path
        return (None, 503, None, "lost")[turn[0] % 4] if "upload_id=" in path else fault(method, path)

    flaky.fault = lossy
    spark.range(200_000).write.option("compression", "none").parquet(f"{ROOT}/busy-files")
    assert spark.read.parquet(f"{ROOT}/busy-files").agg(F.sum("id")).first()[0] == sum(range(200_000))
    assert flaky.count > 20


def test_a_write_that_fails_leaves_the_target_as_it_was(on_gcs, gcs):
    path = f"{ROOT}/kept"
    on_gcs.range(5).write.parquet(path)
    before = gcs.keys("kept/")
    with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
        on_gcs.range(100_000).select(F.expr("CAST(IF(id = 99999, 'x', '1') AS INT)").alias("id")).write.mode("overwrite").parquet(path)
    assert gcs.keys("kept/") == before and on_gcs.read.parquet(path).count() == 5


def test_a_service_account_signs_in_with_its_key(cluster, gcs, flaky, tokens, tmp_path):
    # Settings, as a secret of a scope fills them: with the line ends of JSON, too.
    named = {"fs.gs.storage.root.url": flaky.endpoint, "fs.gs.token.server.url": tokens.url, "fs.gs.auth.service.account.email": tokens.email,
             "fs.gs.auth.service.account.private.key.id": tokens.key_id}
    spark = session(cluster, {**named, "fs.gs.auth.service.account.private.key": tokens.pem.replace("\n", "\\n")})
    spark.range(5).write.format("delta").save(f"{ROOT}/signed")
    assert spark.read.format("delta").load(f"{ROOT}/signed").count() == 5
    assert flaky.authorizations == {"Bearer token-1"} and tokens.given == 1, "one token serves all requests"
    # A file of the cluster.
    (tmp_path / "key.json").write_text(tokens.key_file())
    flaky.authorizations.clear()
    by_file = session(cluster, {"google.cloud.auth.service.account.json.keyfile": str(tmp_path / "key.json"), "spark.hadoop.fs.gs.storage.root.url": flaky.endpoint})
    assert by_file.read.format("delta").load(f"{ROOT}/signed").count() == 5
    assert flaky.authorizations <= {"Bearer token-1", "Bearer token-2"}


def test_a_token_is_renewed_before_it_ends(cluster, gcs, flaky, tokens):
    tokens.lifetime = 1
    spark = session(cluster, {"fs.gs.storage.root.url": flaky.endpoint, "fs.gs.token.server.url": tokens.url, "fs.gs.auth.service.account.email": tokens.email,
                              "fs.gs.auth.service.account.private.key.id": tokens.key_id, "fs.gs.auth.service.account.private.key": tokens.pem})
    for i in range(3):
        spark.range(5).write.parquet(f"{ROOT}/renewed/{i}")
    assert tokens.given > 1 and "Bearer token-2" in flaky.authorizations


def test_what_is_wrong_is_told_without_the_key(cluster, gcs, flaky, tokens, tmp_path):
    read = lambda conf: session(cluster, conf).read.parquet(f"{ROOT}/x").collect()  # noqa: E731
    with pytest.raises(Exception, match="No credentials for gs://lake: set fs.gs.auth.service.account.json.keyfile"):
        read({"fs.gs.storage.root.url": gcs.endpoint})
    other = GoogleTokens()
    account = {"fs.gs.storage.root.url": gcs.endpoint, "fs.gs.token.server.url": tokens.url, "fs.gs.auth.service.account.email": tokens.email,
               "fs.gs.auth.service.account.private.key.id": tokens.key_id}
    with pytest.raises(Exception, match="cannot sign in at.*HTTP 400 invalid_grant; it refuses the key of the service account reader@lake") as e:
        read({**account, "fs.gs.auth.service.account.private.key": other.pem})
    assert other.pem[40:80] not in str(e.value)
    with pytest.raises(Exception, match="is not an RSA key in PEM") as e:
        read({**account, "fs.gs.auth.service.account.private.key": "not-a-key-of-anything"})
    assert "not-a-key" not in str(e.value)
    (tmp_path / "notes").write_text("root:x:0:0 no JSON")
    with pytest.raises(Exception, match="fs.gs.auth.service.account.json.keyfile must be the path of a JSON file with credentials") as e:
        read({"fs.gs.auth.service.account.json.keyfile": str(tmp_path / "notes")})
    assert "root:x" not in str(e.value)
    (tmp_path / "external.json").write_text(json.dumps({"type": "external_account"}))
    with pytest.raises(Exception, match='Credentials of the type "external_account" .* are not supported'):
        read({"fs.gs.auth.service.account.json.keyfile": str(tmp_path / "external.json")})
    for kind in ("COMPUTE_ENGINE", "ACCESS_TOKEN_PROVIDER"):
        with pytest.raises(Exception, match=f"fs.gs.auth.type {kind} is not supported"):
            read({"fs.gs.auth.type": kind})
    with pytest.raises(Exception, match="gs://no-such-bucket/x.*the bucket does not exist"):
        session(cluster, gcs.conf()).read.parquet("gs://no-such-bucket/x").collect()
    with pytest.raises(Exception, match="PATH_NOT_FOUND.*gs://lake/nothing/here"):
        session(cluster, gcs.conf()).read.parquet(f"{ROOT}/nothing/here").collect()
    flaky.fault = lambda method, path: 403
    with pytest.raises(Exception, match="HTTP 403.*the bucket is not public: set fs.gs.auth.service.account.json.keyfile"):
        read(gcs.conf(flaky.endpoint))
    shown = session(cluster, {**account, "fs.gs.auth.service.account.private.key": other.pem}).sql("SET fs.gs.auth.service.account.private.key").collect()
    assert other.pem[40:80] not in str(shown)


def test_mounts_may_lie_on_google_storage(cluster, gcs):
    spark = session(cluster, {**gcs.conf(), "fs.dbfs.mount./mnt/google": f"{ROOT}/mounted"})
    spark.range(10).write.format("delta").save("/mnt/google/t")
    assert spark.read.format("delta").load("dbfs:/mnt/google/t").count() == 10 and gcs.keys("mounted/t/_delta_log/")
