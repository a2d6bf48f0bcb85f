"""Interrupts at any moment of a query: the server goes on, and no thread works on what is gone."""
import random
import threading
import time

from pyspark.errors import PySparkException
from pyspark.sql.functions import udf
from pyspark.sql.types import LongType


def test_interrupts_at_random_moments_leave_the_server_alive(cluster_at, tmp_path, monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=165")  # freed memory is no longer what it was
    cluster = cluster_at(tmp_path)
    end, ended = time.time() + 8, {"done": 0, "interrupted": 0}
    plus_one = udf(lambda x: x + 1, LongType())
    queries = [
        lambda s: s.range(300_000).selectExpr("id", "cast(id as string) s", "array(id, id + 1) a").orderBy("s").collect(),
        lambda s: s.range(2_000_000).selectExpr("id % 1000 k", "id").groupBy("k").agg({"id": "sum"}).collect(),
        lambda s: s.range(5_000).select(plus_one("id")).collect(),
        lambda s: s.createDataFrame([(i, [i], {"k": i}) for i in range(3_000)], "a long, b array<int>, c map<string,int>").selectExpr("*", "explode(b)").collect(),
        lambda s: s.sql("select count(*) from range(1000000) a join range(1000000) b on a.id = b.id").collect(),
    ]

    def work(number, spark):
        choose, stop = random.Random(number), threading.Event()

        def interrupt():
            while not stop.wait(choose.choice([0.002, 0.01, 0.03, 0.1])):
                spark.interruptAll()

        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        while time.time() < end and cluster.alive():
            try:
                choose.choice(queries)(spark)
                ended["done"] += 1
            except PySparkException:
                ended["interrupted"] += 1
        stop.set()
        interrupter.join()

    workers = [threading.Thread(target=work, args=(i, cluster.session())) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert cluster.alive()
    assert ended["interrupted"] > 10
    assert cluster.session().range(3).count() == 3
