"""What a cluster's spec means: sizes, masks of updates, the clock of its idle end, pages."""
import json
import os
import time
from datetime import timedelta

import pytest
from databases import metadata_number
from test_workspace import server, stranger  # noqa: F401

from databricks.sdk.errors import DatabricksError
from databricks.sdk.service import compute

VERSION = "17.3.x-scala2.13"


def events(w, cluster, kind):
    return [e.details for e in w.clusters.events(cluster, event_types=[kind])]


def test_autoscale_alone_is_a_size(server):  # noqa: F811
    w = server.w
    wait = timedelta(seconds=90)
    alone = w.clusters.create(cluster_name="s", spark_version=VERSION, node_type_id="tarn.small", num_workers=0).result(timeout=wait)
    scaled = w.clusters.create(cluster_name="a", spark_version=VERSION, node_type_id="tarn.small", autoscale=compute.AutoScale(min_workers=1, max_workers=2)).result(timeout=wait)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    assert alone.cluster_memory_mb == min(4096, memory * 3 // 4) and scaled.cluster_memory_mb == min(3 * 4096, memory * 3 // 4)
    assert [(e.current_num_workers, e.target_num_workers) for e in events(w, scaled.cluster_id, compute.EventType.RUNNING)] == [(2, 2)]
    w.clusters.resize(scaled.cluster_id, autoscale=compute.AutoScale(min_workers=0, max_workers=1)).result(timeout=wait)
    assert [e.target_num_workers for e in events(w, scaled.cluster_id, compute.EventType.RESIZING)] == [1]
    assert w.clusters.get(scaled.cluster_id).cluster_memory_mb == min(2 * 4096, memory * 3 // 4)
    for c in (alone, scaled):
        w.clusters.permanent_delete(c.cluster_id)


def test_a_mask_names_fields_that_are_there(server):  # noqa: F811
    w = server.w
    cluster = w.clusters.create(cluster_name="m", spark_version=VERSION, num_workers=0, spark_conf={"a": "1", "b": "2"}).result(timeout=timedelta(seconds=90)).cluster_id
    w.clusters.update(cluster, "spark_conf.a,cluster_name", cluster=compute.UpdateClusterResource(cluster_name="n", spark_conf={"a": "3"})).result(timeout=timedelta(seconds=90))
    c = w.clusters.get(cluster)
    assert (c.cluster_name, c.spark_conf) == ("n", {"a": "3", "b": "2"})
    for mask, cluster_fields in (("cluster_name.x", {"cluster_name": {"x": "y"}}), ("node_type_id.x", {}), ("num_workers.a.b", {"num_workers": 1}), ("nothing", {}),
                                 ("autoscale", {"autoscale": 5}), ("azure_attributes", {"azure_attributes": "x"}), ("spark_conf", {"spark_conf": ["a"]}),
                                 ("spark_conf.a", {"spark_conf": {"a": {"b": 1}}}), ("cluster_name", {"cluster_name": 7})):
        status, _, body = server.http("POST", "/api/2.1/clusters/update", server.token,
                                      json.dumps({"cluster_id": cluster, "update_mask": mask, "cluster": cluster_fields}).encode(), {"Content-Type": "application/json"})
        assert (status, json.loads(body)["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), (mask, body)
    w.clusters.permanent_delete(cluster)


def test_the_last_activity_advances_with_use(server):  # noqa: F811
    from pyspark.sql.connect.session import SparkSession

    w = server.w
    cluster = w.clusters.create(cluster_name="l", spark_version=VERSION, num_workers=0).result(timeout=timedelta(seconds=90)).cluster_id

    def last_activity(path=f"get?cluster_id={cluster}"):   # the SDK's class has no such field
        return w.api_client.do("GET", "/api/2.1/clusters/" + path)

    before = last_activity()["last_activity_time"]
    assert last_activity()["last_activity_time"] == before
    spark = SparkSession.builder.remote(f"sc://localhost:{server.port}/;token={server.token};x-databricks-cluster-id={cluster}").create()
    time.sleep(0.05)
    now = int(time.time() * 1000)
    assert spark.range(3).count() == 3
    spark.stop()
    used = last_activity()["last_activity_time"]
    assert used >= now > before
    assert next(c for c in last_activity("list")["clusters"] if c["cluster_id"] == cluster)["last_activity_time"] >= used
    limit = time.time() + 30   # and it outlives the process that measured it
    while metadata_number(server.home, f"SELECT active_ms FROM clusters WHERE id = '{cluster}'") < used:
        assert time.time() < limit
        time.sleep(0.2)
    w.clusters.permanent_delete(cluster)


def test_pages_of_events_are_whole_and_in_order(server):  # noqa: F811
    w = server.w
    cluster = w.clusters.create(cluster_name="e", spark_version=VERSION, num_workers=0).result(timeout=timedelta(seconds=90)).cluster_id
    for _ in range(3):
        w.clusters.pin(cluster)
        w.clusters.unpin(cluster)
    whole = [e.type for e in w.clusters.events(cluster)]
    assert len(whole) == 8
    got, token = [], None
    while True:
        r = w.api_client.do("POST", "/api/2.1/clusters/events", body={"cluster_id": cluster, "page_size": 3, **({"page_token": token} if token else {})})
        got += [e["type"] for e in r["events"]]
        token = r.get("next_page_token")
        if not token:
            break
    assert got == [t.value for t in whole]
    r = w.api_client.do("POST", "/api/2.1/clusters/events", body={"cluster_id": cluster, "limit": 3, "offset": 3})
    assert [e["type"] for e in r["events"]] == got[3:6] and r["next_page"]["offset"] == 6
    with pytest.raises(DatabricksError):
        w.api_client.do("POST", "/api/2.1/clusters/events", body={"cluster_id": cluster, "page_token": "bm9uZQ=="})
    w.clusters.permanent_delete(cluster)


def test_pages_of_users_have_their_groups(server):  # noqa: F811
    w = server.w
    for i in range(5):
        u = w.users_v2.create(user_name=f"page{i}@example.com", display_name=f"d{9 - i}")
        w.groups_v2.create(display_name=f"pages{i}")
    g = next(x for x in w.groups_v2.list(filter="displayName eq pages4"))
    w.api_client.do("PATCH", f"/api/2.0/preview/scim/v2/Groups/{g.id}", body={
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "value": {"members": [{"value": u.id}]}}]})
    path = "/api/2.0/preview/scim/v2/Users"

    def page(**query):
        return w.api_client.do("GET", path, query=query)

    r = page(filter='userName sw "page"', startIndex=2, count=2)
    assert (r["totalResults"], r["itemsPerPage"], [x["userName"] for x in r["Resources"]]) == (5, 2, ["page1@example.com", "page2@example.com"])
    assert all("users" in [g["display"] for g in x["groups"]] for x in r["Resources"])
    assert [x["displayName"] for x in page(filter='userName sw "page"', sortBy="displayName", count=2)["Resources"]] == ["d5", "d6"]
    assert [x["userName"] for x in page(filter='groups.display eq "pages4"')["Resources"]] == ["page4@example.com"]
    assert set(page(filter='userName eq "page0@example.com"', attributes="userName")["Resources"][0]) == {"id", "schemas", "userName"}
