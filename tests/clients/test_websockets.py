"""Live streams over WebSockets: what a cluster does and says, and the output of commands, with a client that we did not write."""
import asyncio
import json
import os
import re
import socket
import threading
import time
import urllib.parse
from datetime import timedelta

import pytest
import requests
import websockets
from test_workspace import Server
from websockets.asyncio.client import connect as async_connect
from websockets.sync.client import connect

from databricks.sdk.service.compute import Language

SECRET = "s3cr3t-VALUE\nof two lines"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("streams"))
    s.w.secrets.create_scope("streams")
    s.w.secrets.put_secret("streams", "password", string_value=SECRET)
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="module")
def stranger(server):
    sp = server.w.service_principals_v2.create(display_name="stranger", active=True)
    t = server.w.token_management.create_obo_token(sp.application_id, lifetime_seconds=3600)
    return sp.application_id, t.token_value, t.token_info.token_id


@pytest.fixture(scope="module")
def cluster(server):
    """A cluster that has ended: its log is ours to write."""
    c = server.w.clusters.create(cluster_name="s", spark_version=server.w.clusters.spark_versions().versions[0].key, num_workers=0,
                                 spark_env_vars={"HIDDEN": "{{secrets/streams/password}}"})
    c = c.result(timeout=timedelta(seconds=90)).cluster_id
    server.w.clusters.delete(c).result(timeout=timedelta(seconds=60))
    return c


def log_of(server, cluster):
    return f"{server.home}/clusters/{cluster}/logs/driver.log"


def write(server, cluster, text):
    with open(log_of(server, cluster), "ab") as f:
        f.write(text.encode() if isinstance(text, str) else text)


def url(server, cluster, **query):
    query = {k: v for k, v in query.items() if v is not None}
    return f"ws://127.0.0.1:{server.port}/api/2.0/tarn/clusters/{cluster}/stream" + ("?" + urllib.parse.urlencode(query) if query else "")


def stream(server, cluster, token=None, headers=None, **query):
    return connect(url(server, cluster, **query), additional_headers=headers if headers is not None else {"Authorization": f"Bearer {token or server.token}"}, proxy=None,
                   max_size=1 << 26, **({"open_timeout": 20}))


def messages(ws, until, timeout=30):
    """What comes until this is true of a message, that one included."""
    out, end = [], time.monotonic() + timeout
    while not out or not until(out[-1]):
        out.append(json.loads(ws.recv(timeout=max(0.01, end - time.monotonic()))))
    return out


def lines(ws, last, timeout=30):
    out = []
    for m in messages(ws, lambda m: m["type"] == "log" and last in m["lines"], timeout):
        out += m.get("lines", [])
    return out


def refused(open_it):
    with pytest.raises(websockets.exceptions.InvalidStatus) as e:
        with open_it():
            pass
    return e.value.response.status_code


def test_a_cluster_is_followed_from_its_start_to_its_end_and_on_after_a_break(server):
    w = server.w
    c = w.clusters.create(cluster_name="followed", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0)
    with stream(server, c.cluster_id) as ws:
        seen = messages(ws, lambda m: m["type"] == "state" and m["state"] == "RUNNING", 90)
        c.result(timeout=timedelta(seconds=60))
        w.clusters.delete(c.cluster_id)
        seen += messages(ws, lambda m: m["type"] == "state" and m["state"] == "TERMINATED", 60)
    states = [m["state"] for m in seen if m["type"] == "state"]
    assert states[-1] == "TERMINATED" and states.index("RUNNING") < len(states) - 1
    events = [m["event"]["type"] for m in seen if m["type"] == "event"]
    assert events[:2] == ["CREATING", "RUNNING"] and "TERMINATING" in events
    listed = [(e.timestamp, e.type.value) for e in reversed(list(w.clusters.events(c.cluster_id)))]
    assert [(m["event"]["timestamp"], m["event"]["type"]) for m in seen if m["type"] == "event"] == listed[:len(events)]
    said = [line for m in seen if m["type"] == "log" for line in m["lines"]]
    assert said and all(line in open(log_of(server, c.cluster_id)).read().split("\n") for line in said)
    # Half of it again, from a position in its middle: nothing twice, nothing left out.
    middle = next(i for i, m in enumerate(seen) if m["type"] == "event")
    with stream(server, c.cluster_id, position=seen[middle]["position"], kinds="event,log") as ws:
        w.clusters.pin(c.cluster_id)
        again = messages(ws, lambda m: m["type"] == "event" and m["event"]["type"] == "PINNED")
    kept = [m["event"] for m in again if m["type"] == "event"]
    assert kept[:-1] == [m["event"] for m in seen[middle + 1:] if m["type"] == "event"]
    with stream(server, c.cluster_id) as ws:   # a cluster that goes for good
        messages(ws, lambda m: m["type"] == "state")
        w.clusters.permanent_delete(c.cluster_id)
        with pytest.raises(websockets.exceptions.ConnectionClosedOK) as e:
            messages(ws, lambda m: False)
        assert e.value.rcvd.code == 1000


def test_the_log_comes_in_whole_lines_once_and_in_order(server, cluster):
    write(server, cluster, "".join(f"old {i}\n" for i in range(20_000)))
    with stream(server, cluster, kinds="log") as ws:
        first = lines(ws, "old 19999")
        assert 1000 < len(first) < 20_000 and first == [f"old {i}" for i in range(20_000 - len(first), 20_000)]   # the last 64 KB
        write(server, cluster, "half of a ")
        with pytest.raises(TimeoutError):
            ws.recv(timeout=0.6)
        write(server, cluster, "line\nnext\n")
        m = messages(ws, lambda m: True)
        assert m[0]["lines"] == ["half of a line", "next"]
        position = m[0]["position"]
        write(server, cluster, "x" * 300_000 + "\nend of a long one\n")
        assert "".join(lines(ws, "end of a long one")) == "x" * 300_000 + "end of a long one"
        write(server, cluster, b"\xff\xfe no text \x00\nafter it\n")
        assert lines(ws, "after it")[-1] == "after it"
        os.truncate(log_of(server, cluster), 0)
        write(server, cluster, "new file\n")
        assert lines(ws, "new file") == ["new file"]
    for bad in ("x", "1", "-1-2", "1-2-3", "1-", "99999999999999999999-1", ""):
        assert refused(lambda: stream(server, cluster, position=bad)) == 400, bad
    assert refused(lambda: stream(server, cluster, kinds="log,secrets")) == 400
    with stream(server, cluster, position=position, kinds="log") as ws:   # behind the end of the file: another file
        assert lines(ws, "new file") == ["new file"]


def test_secrets_of_the_cluster_are_not_in_its_stream_wherever_it_is_cut(server, cluster):
    first, second = SECRET.split("\n")
    with stream(server, cluster, kinds="log") as ws:
        position = None
        write(server, cluster, f"begin\na {SECRET} b\nc {first}")
        time.sleep(0.5)
        write(server, cluster, f"\n{second} d\nno {second}\nfence\n")
        seen = messages(ws, lambda m: "fence" in m.get("lines", []))
        said = [line for m in seen for line in m["lines"]]
        assert said[said.index("begin"):] == ["begin", "a [REDACTED] b", "c [REDACTED] d", f"no {second}", "fence"]
        position = seen[0]["position"]
    size = os.path.getsize(log_of(server, cluster))
    for offset in range(size - 60, size, 7):   # also by who asks for its middle
        with stream(server, cluster, kinds="log", position=f"{position.split('-')[0]}-{offset}") as ws:
            write(server, cluster, "mark\n")
            assert first not in str(got := lines(ws, "mark")), got
    state = server.w.clusters.get(cluster)
    assert SECRET not in json.dumps(state.as_dict())


def test_who_may_open_a_stream(server, cluster, stranger):
    application, token, token_id = stranger
    assert refused(lambda: stream(server, cluster, headers={})) == 401
    assert refused(lambda: stream(server, cluster, token="dapi" + "0" * 32)) == 401
    assert refused(lambda: stream(server, cluster, token=token)) == 403
    assert refused(lambda: stream(server, "0101-000000-none")) == 400
    server.w.api_client.do("PATCH", f"/api/2.0/permissions/clusters/{cluster}", body={"access_control_list": [{"service_principal_name": application, "permission_level": "CAN_ATTACH_TO"}]})
    for revoke in (lambda: server.w.api_client.do("PUT", f"/api/2.0/permissions/clusters/{cluster}", body={"access_control_list": []}),
                   lambda: server.w.token_management.delete(token_id)):
        server.w.api_client.do("PATCH", f"/api/2.0/permissions/clusters/{cluster}", body={"access_control_list": [{"service_principal_name": application, "permission_level": "CAN_ATTACH_TO"}]})
        with stream(server, cluster, token=token, kinds="state") as ws:
            assert messages(ws, lambda m: m["type"] == "state")[0]["cluster_id"] == cluster
            revoke()
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as e:
                ws.recv(timeout=15)
            assert e.value.rcvd.code == 1008
    r = requests.get(url(server, cluster).replace("ws:", "http:"), headers={"Authorization": f"Bearer {server.token}"}, timeout=10)
    assert r.status_code == 426 and r.headers["Upgrade"] == "websocket" and r.headers["Sec-WebSocket-Version"] == "13"
    r = requests.get(f"{server.url}/openapi.json", headers={"Authorization": f"Bearer {server.token}"}, timeout=10).json()
    assert "101" in r["paths"]["/api/{version}/tarn/clusters/{cluster_id}/stream"]["get"]["responses"]


def test_a_browser_brings_its_cookie_from_a_page_of_ours_or_its_token_as_a_subprotocol(server, cluster):
    requests.post(f"{server.url}/api/2.0/preview/scim/v2/Users", json={"userName": "ws@x.org", "password": "correct horse"}, headers={"Authorization": f"Bearer {server.token}"}, timeout=10)
    server.w.api_client.do("PATCH", f"/api/2.0/permissions/clusters/{cluster}", body={"access_control_list": [{"user_name": "ws@x.org", "permission_level": "CAN_ATTACH_TO"}]})
    login = requests.post(f"{server.url}/login", json={"user_name": "ws@x.org", "password": "correct horse"}, timeout=10)
    cookie = {"Cookie": f"tarn_session={login.cookies['tarn_session']}"}
    for origin in (None, "https://evil.org", "null", f"http://127.0.0.1:{server.port + 1}", f"http://localhost:{server.port}"):
        assert refused(lambda: stream(server, cluster, headers={**cookie, **({"Origin": origin} if origin else {})})) == 403, origin
    with stream(server, cluster, headers={**cookie, "Origin": server.url}, kinds="state") as ws:
        messages(ws, lambda m: m["type"] == "state")
        requests.post(f"{server.url}/logout", headers={**cookie, "X-Tarn-Csrf": login.json()["csrf_token"]}, timeout=10)
        with pytest.raises(websockets.exceptions.ConnectionClosedError):   # signed out: the page's connections end, too
            ws.recv(timeout=15)
    token = server.token
    with connect(url(server, cluster, kinds="state"), subprotocols=["tarn.v1", f"tarn.bearer.{token}"], origin="https://anywhere.org", proxy=None) as ws:
        assert ws.subprotocol == "tarn.v1" and token not in str(ws.response.headers)
        messages(ws, lambda m: m["type"] == "state")
    assert refused(lambda: connect(url(server, cluster), subprotocols=["tarn.v1", "tarn.bearer.nonsense"], proxy=None)) == 401
    assert refused(lambda: connect(url(server, cluster), subprotocols=[f"tarn.bearer.{token}"], proxy=None)) == 400
    log = open(f"{server.home}/stderr.log").read() + open(f"{server.home}/logs/audit.log").read()
    assert token not in log and login.cookies["tarn_session"] not in log


def test_what_a_client_sends_ends_a_stream_with_its_code(server, cluster):
    def code(send):
        with stream(server, cluster, kinds="state") as ws:
            messages(ws, lambda m: True)
            send(ws)
            with pytest.raises(websockets.exceptions.ConnectionClosed) as e:
                while True:
                    ws.recv(timeout=10)
            return e.value.rcvd.code
    assert code(lambda ws: ws.send("hello")) == 1003                       # a stream takes no messages
    assert code(lambda ws: ws.send(iter(["he", "l", "lo"]))) == 1003       # in fragments
    assert code(lambda ws: ws.send(b"\x00" * (65 << 10))) == 1009          # longer than 64 KB
    with stream(server, cluster, kinds="state") as ws:
        assert ws.ping().wait(10) is not None
        ws.close(1000)


def raw(server, cluster):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    s.settimeout(10)
    s.connect(("127.0.0.1", server.port))
    s.sendall((f"GET /api/2.0/tarn/clusters/{cluster}/stream?kinds=log HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {server.token}\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1)
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n") and b"permessage-deflate" not in head
    return s


def memory(server):
    return next(int(line.split()[1]) for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmRSS")) // 1024


def test_a_client_that_does_not_read_costs_little_and_misses_nothing_when_it_goes_on(server, cluster):
    slow = [raw(server, cluster) for _ in range(20)]
    time.sleep(0.5)
    before = memory(server)
    for i in range(5):
        write(server, cluster, "".join(f"flood {i} {k} {'y' * 80}\n" for k in range(20_000)))   # 10 MB
        time.sleep(0.2)
    write(server, cluster, "the very last\n")
    with stream(server, cluster, kinds="log", position=f"0-{os.path.getsize(log_of(server, cluster)) - 14}") as ws:
        assert "the very last" in lines(ws, "the very last")   # others are served
    assert memory(server) - before < 20 * 3, "MB"
    s, got = slow[0], b""
    s.settimeout(20)
    while b"the very last" not in got[-200:]:
        got += s.recv(1 << 20)
    seen = [(int(i), int(k)) for i, k in re.findall(rb"flood (\d+) (\d+) y", got)]
    assert seen == [(i, k) for i in range(5) for k in range(20_000)]
    for s in slow:
        s.close()


def test_two_hundred_streams_at_once(server, cluster):
    headers = {"Authorization": f"Bearer {server.token}"}

    async def one(opened, start):
        async with async_connect(url(server, cluster, kinds="log"), additional_headers=headers, proxy=None, open_timeout=60) as ws:
            opened.append(1)
            await start.wait()
            async for text in ws:
                if "to all of them" in text:
                    return time.monotonic()

    async def all_of_them():
        opened, start = [], asyncio.Event()
        tasks = [asyncio.create_task(one(opened, start)) for _ in range(200)]
        while len(opened) < 200:
            await asyncio.sleep(0.05)
        start.set()
        begin = time.monotonic()
        write(server, cluster, "to all of them\n")
        return max(await asyncio.gather(*tasks)) - begin

    before = memory(server)
    assert asyncio.run(all_of_them()) < 10
    assert memory(server) - before < 60, "MB"
    metrics = requests.get(f"{server.url}/metrics", headers=headers, timeout=10).text
    assert int(re.search(r"^tarn_websockets_total (\d+)", metrics, re.M)[1]) >= 200


def test_the_output_of_a_command_comes_while_it_runs(server):
    w = server.w
    c = w.clusters.create(cluster_name="commands", spark_version=w.clusters.spark_versions().versions[0].key, num_workers=0,
                          spark_env_vars={"HIDDEN": "{{secrets/streams/password}}"}).result(timeout=timedelta(seconds=90)).cluster_id
    context = w.command_execution.create_and_wait(cluster_id=c, language=Language.PYTHON, timeout=timedelta(seconds=90)).id
    code = "import os, time\nprint('one')\ntime.sleep(2)\nfor x in os.environ['HIDDEN']:\n    print(x, end='', flush=True)\n    time.sleep(0.02)\nprint()\nprint('two')\n6 * 7"
    command = w.api_client.do("POST", "/api/1.2/commands/execute", body={"clusterId": c, "contextId": context, "language": "python", "command": code})["id"]
    path = f"ws://127.0.0.1:{server.port}/api/2.0/tarn/clusters/{c}/contexts/{context}/commands/{command}/stream"
    headers = {"Authorization": f"Bearer {server.token}"}
    with connect(path, additional_headers=headers, proxy=None, max_size=1 << 26) as ws:
        seen = messages(ws, lambda m: m["type"] == "output")
        early = w.api_client.do("GET", "/api/1.2/commands/status", query={"clusterId": c, "contextId": context, "commandId": command})
        assert early["status"] == "Running" and seen[-1]["text"] == "one\n"
        seen += messages(ws, lambda m: m["type"] == "results")
        with pytest.raises(websockets.exceptions.ConnectionClosedOK):
            ws.recv(timeout=5)
    text = "".join(m["text"] for m in seen if m["type"] == "output")
    assert text == "one\n[REDACTED]\ntwo\n42" and seen[-1]["status"] == "Finished" and seen[-1]["results"]["data"] == text
    position = next(m["position"] for m in seen if m["type"] == "output")
    with connect(f"{path}?position={position}", additional_headers=headers, proxy=None) as ws:   # after its end, from where one was
        again = messages(ws, lambda m: m["type"] == "results")
    assert "".join(m["text"] for m in again if m["type"] == "output") == text[len("one\n"):]
    assert refused(lambda: connect(path.replace(command, "0" * 32), additional_headers=headers, proxy=None)) == 404
    w.clusters.permanent_delete(c)


def test_the_servers_stop_ends_streams_with_1001(tmp_path):
    s = Server(tmp_path)
    c = s.w.clusters.create(cluster_name="s", spark_version=s.w.clusters.spark_versions().versions[0].key, num_workers=0).cluster_id
    codes = []

    def follow():
        with stream(s, c) as ws:
            try:
                while True:
                    ws.recv(timeout=60)
            except websockets.exceptions.ConnectionClosed as e:
                codes.append(e.rcvd.code)

    threads = [threading.Thread(target=follow) for _ in range(20)]
    [t.start() for t in threads]
    deaf = raw(s, c)   # does not answer
    time.sleep(1)
    start = time.monotonic()
    assert s.stop() == 0
    assert time.monotonic() - start < 20
    [t.join(20) for t in threads]
    assert codes == [1001] * 20
    deaf.close()
