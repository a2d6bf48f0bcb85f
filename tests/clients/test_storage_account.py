"""The workspace's own storage account with the stock Azure clients: what the clients do, who may do it, and what nobody may."""
import base64
import datetime as dt
import email.utils
import hashlib
import hmac
import json
import os
import signal
import threading
from urllib.parse import quote, urlsplit

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import AccountSasPermissions, BlobBlock, BlobClient, BlobSasPermissions, ResourceTypes, generate_account_sas, generate_blob_sas
from azure.storage.filedatalake import DataLakeServiceClient, FileSystemClient, FileSystemSasPermissions, generate_directory_sas, generate_file_system_sas
from azure_server import ACCOUNT, AzureServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = AzureServer(tmp_path_factory.mktemp("azure"))
    yield s
    s.stop()


@pytest.fixture(scope="module")
def lake(server):
    return server.lake().create_file_system("lake")


def soon():
    return dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)


def refused(call):
    """Status and code of the error that the call must end in."""
    with pytest.raises(HttpResponseError) as e:
        result = call()
        if hasattr(result, "__next__"):
            list(result)
    code = e.value.response.headers.get("x-ms-error-code") if e.value.response is not None else None
    return e.value.status_code, code


def signed(server, method, path, headers=None, body=b"", key=None, date=None):
    """A request signed from the documentation's recipe rather than by a client; path: of the dfs host, with its query."""
    url = urlsplit(server.dfs + path)
    h = {k.lower(): v for k, v in (headers or {}).items()}
    h["x-ms-date"] = email.utils.format_datetime(date or dt.datetime.now(dt.timezone.utc), usegmt=True)
    h.setdefault("x-ms-version", "2021-12-02")
    if body:
        h.setdefault("content-type", "application/octet-stream")
    names = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date", "if-modified-since", "if-match",
             "if-none-match", "if-unmodified-since", "range")
    lines = [str(len(body)) if n == "content-length" and body else h.get(n, "") for n in names]
    query = "".join(f"\n{k}:{v}" for k, v in sorted(p.split("=", 1) for p in url.query.split("&") if p))
    text = "\n".join([method, *lines]) + "\n" + "".join(f"{k}:{h[k]}\n" for k in sorted(h) if k.startswith("x-ms-")) + f"/{ACCOUNT}{url.path}{query}"
    signature = base64.b64encode(hmac.new(base64.b64decode(key or server.key), text.encode(), hashlib.sha256).digest()).decode()
    return server.http(method, server.dfs + path, {**h, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}, body or None)


# ---- the work ------------------------------------------------------------------------------------------------------------
def test_a_file_goes_up_is_listed_read_renamed_and_deleted(lake):
    d = lake.create_directory("work/in", metadata={"team": "a"})
    f = d.create_file("data.csv")
    f.append_data(b"a,b\n", 0)
    f.append_data(b"1,2\n", 4)
    assert f.get_file_properties().size == 0
    f.flush_data(8)
    assert f.download_file().readall() == b"a,b\n1,2\n"
    assert f.download_file(offset=4, length=3).readall() == b"1,2"
    assert sorted((p.name, p.is_directory) for p in lake.get_paths("work")) == [("work/in", True), ("work/in/data.csv", False)]
    d.rename_directory("lake/moved")
    assert [p.name for p in lake.get_paths("moved")] == ["moved/data.csv"]
    assert lake.get_directory_client("moved").get_directory_properties().metadata == {"team": "a", "hdi_isfolder": "true"}
    lake.get_directory_client("moved").delete_directory()
    assert not lake.get_file_client("moved/data.csv").exists()


def test_the_files_are_plain_files_of_the_home(server, lake):
    lake.get_file_client("plain/f.txt").upload_data(b"plain", overwrite=True)
    on_disk = os.path.join(server.home, "storage", ACCOUNT, "data", "lake", "plain")
    assert open(os.path.join(on_disk, "f.txt"), "rb").read() == b"plain"
    with open(os.path.join(on_disk, "other.txt"), "w") as f:
        f.write("put there by others")
    assert sorted(p.name for p in lake.get_paths("plain")) == ["plain/f.txt", "plain/other.txt"]
    assert lake.get_file_client("plain/other.txt").download_file().readall() == b"put there by others"


def test_blocks_are_unseen_until_their_list_is_committed(server, lake):
    b = server.blobs().get_blob_client("lake", "blocks.bin")
    ids = [base64.b64encode(f"{i:06d}".encode()).decode() for i in range(3)]
    for i, k in enumerate(ids):
        b.stage_block(k, bytes([65 + i]) * 3)
    assert not b.exists()
    b.commit_block_list([BlobBlock(ids[2]), BlobBlock(ids[0])])
    assert b.download_blob().readall() == b"CCCAAA"
    b.stage_block(ids[1], b"new")
    b.commit_block_list([BlobBlock(ids[0]), BlobBlock(ids[1])])   # one committed before, one fresh
    assert b.download_blob().readall() == b"AAAnew"


def test_large_files_keep_their_bytes(server, lake):
    data = os.urandom(1 << 20) * 24 + b"tail"
    f = lake.get_file_client("large.bin")
    f.upload_data(data, overwrite=True, chunk_size=4 << 20, max_concurrency=4)
    assert hashlib.sha256(f.download_file(max_concurrency=4).readall()).digest() == hashlib.sha256(data).digest()
    b = server.blobs(max_single_put_size=4 << 20, max_block_size=4 << 20).get_blob_client("lake", "large.bin")
    b.upload_blob(data, overwrite=True, max_concurrency=4, validate_content=True)
    assert hashlib.sha256(b.download_blob(max_concurrency=4, validate_content=True).readall()).digest() == hashlib.sha256(data).digest()


def test_one_of_many_creators_wins(lake):
    won, lost = [], []

    def create():
        try:
            lake.get_file_client("race").create_file(match_condition=MatchConditions.IfMissing)
            won.append(1)
        except HttpResponseError as e:
            lost.append(e.status_code)
    threads = [threading.Thread(target=create) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (len(won), set(lost)) == (1, {409})


def test_an_append_that_meets_a_replaced_file_is_refused_and_changes_nothing(server, lake):
    f = lake.get_file_client("replaced")
    f.create_file()
    f.append_data(b"old", 0)
    f.create_file()   # a new file in its place
    assert refused(lambda: f.flush_data(3)) == (400, "InvalidFlushPosition")
    assert f.get_file_properties().size == 0


def test_the_account_survives_a_kill(tmp_path):
    s = AzureServer(tmp_path / "home")
    try:
        fs = s.lake().create_file_system("crash")
        done, open_file = fs.get_file_client("d/done"), fs.get_file_client("d/open")
        done.upload_data(b"committed", overwrite=True, metadata={"k": "v"})
        open_file.create_file()
        open_file.append_data(b"never flushed", 0)
        s.stop(signal.SIGKILL)
        s.start()
        fs = s.lake().get_file_system_client("crash")
        f = fs.get_file_client("d/done")
        assert f.download_file().readall() == b"committed"
        assert f.get_file_properties().metadata == {"k": "v"}
        again = fs.get_file_client("d/open")
        assert again.get_file_properties().size == 0
        again.flush_data(13)   # the account kept it
        assert again.download_file().readall() == b"never flushed"
    finally:
        s.stop()


def test_rights_that_come_along_with_a_creation(server, lake):
    acl = "user::rwx,group::r-x,other::--x"
    f = lake.get_file_client("made-with-acl")
    f.create_file(acl=acl)
    assert f.get_access_control()["acl"] == acl
    for more in ({"permissions": "rwxrwxrwx"}, {"umask": "0077"}):
        assert refused(lambda: lake.get_file_client("made-with-both").create_file(acl=acl, **more)) == (400, "InvalidHeaderValue")
    assert not lake.get_file_client("made-with-both").exists()
    # The documented rule: permissions less the umask, which is 0027 where none is given.
    for name, given, expected in (("p", {"permissions": "rwxrwxrwx", "umask": "0000"}, "rwxrwxrwx"), ("q", {"permissions": "0777"}, "rwxr-x---"),
                                  ("r", {"permissions": "0777", "umask": "0057"}, "rwx-w----"), ("s", {}, "rwxr-x---")):
        d = lake.get_directory_client(f"made-{name}")
        d.create_directory(**given)
        assert d.get_access_control()["permissions"] == expected, name


def test_a_directory_that_is_created_again_takes_the_rights_of_the_second_time(server, lake):
    d = lake.get_directory_client("twice")
    d.create_directory(permissions="0755", umask="0000")
    d.create_file("kept")
    d.create_directory()
    assert d.get_access_control()["permissions"] == "rwxr-xr-x"
    d.create_directory(permissions="rwx------", umask="0000")
    assert d.get_access_control()["permissions"] == "rwx------"
    d.create_directory(acl="user::rwx,group::r--,other::r--,default:user::rwx,default:group::---,default:other::---", owner="somebody")
    rights = d.get_access_control()
    assert rights["acl"] == "user::rwx,group::r--,other::r--,default:user::rwx,default:group::---,default:other::---" and rights["owner"] == "somebody"
    assert d.get_file_client("kept").exists()


# ---- who may -------------------------------------------------------------------------------------------------------------
def test_roles_of_bearers(server, lake):
    lake.get_file_client("shared").upload_data(b"shared", overwrite=True)
    reader = server.lake(server.credential(server.reader)).get_file_system_client("lake")
    assert reader.get_file_client("shared").download_file().readall() == b"shared"
    assert refused(lambda: reader.get_file_client("no").create_file()) == (403, "AuthorizationPermissionMismatch")
    assert refused(lambda: reader.get_file_client("shared").set_access_control(permissions="0777")) == (403, "AuthorizationPermissionMismatch")
    nobody = server.lake(server.credential(server.nobody)).get_file_system_client("lake")
    assert refused(lambda: nobody.get_file_client("shared").download_file().readall())[0] == 403
    assert refused(lambda: nobody.get_paths())[0] == 403
    owner = server.lake(server.credential(server.owner)).get_file_system_client("lake")
    f = owner.create_file("owned")
    assert f.get_access_control()["owner"] == server.owner["id"]


def test_tokens_are_for_one_audience(server):
    token = server.credential(server.owner).get_token("https://storage.azure.com/.default").token
    assert server.http("GET", server.url + "/api/2.0/clusters/list", {"Authorization": f"Bearer {token}"})[0] == 401
    assert server.http("GET", server.vault + "/secrets?api-version=7.4", {"Authorization": f"Bearer {token}"})[0] == 401
    for other in (server.token, server.credential(server.owner).get_token("https://vault.azure.net/.default").token):
        status, headers, _ = server.http("GET", server.dfs + "/lake?resource=filesystem&recursive=false", {"Authorization": f"Bearer {other}", "x-ms-version": "2021-12-02"})
        assert (status, headers["x-ms-error-code"]) == (401, "InvalidAuthenticationInfo")
        assert headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


def test_wrong_secrets_are_throttled(server):
    import urllib.parse
    who = server.service_principal("throttled")
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": who["id"], "client_secret": "wrong", "scope": "https://storage.azure.com/.default"}).encode()
    statuses = [server.http("POST", f"{server.url}/t/oauth2/v2.0/token", {"Content-Type": "application/x-www-form-urlencoded"}, form)[0] for _ in range(12)]
    assert statuses[0] == 401 and statuses[-1] == 429


def test_without_credentials_nothing_is_said(server, lake):
    lake.get_file_client("private").upload_data(b"private", overwrite=True)
    for method, path in (("GET", "/lake/private"), ("GET", "/lake?resource=filesystem&recursive=true"), ("PUT", "/lake/new?resource=file"), ("DELETE", "/lake/private"),
                         ("GET", "/?resource=account"), ("GET", "/lake/there-is-no-such-file"), ("PATCH", "/lake/private?action=append&position=0")):
        status, headers, body = server.http(method, server.dfs + path)
        assert (status, headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation"), path
        assert b"private" not in body


def test_signatures_cover_the_request(server, lake):
    lake.get_file_client("signed").upload_data(b"signed", overwrite=True)
    assert signed(server, "GET", "/lake/signed")[2] == b"signed"
    assert signed(server, "GET", "/lake/signed", key=base64.b64encode(b"0" * 64).decode())[0] == 403
    late = dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=20)
    status, headers, _ = signed(server, "GET", "/lake/signed", date=late)
    assert (status, headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_shared_access_signatures(server, lake):
    lake.get_file_client("sas/in/f").upload_data(b"f", overwrite=True)
    lake.get_file_client("other/f").upload_data(b"g", overwrite=True)
    t = generate_directory_sas(ACCOUNT, "lake", "sas", server.key, "rl", soon())
    inside = FileSystemClient(server.dfs, "lake", credential=t, **server.options)
    assert inside.get_file_client("sas/in/f").download_file().readall() == b"f"
    assert refused(lambda: inside.get_file_client("other/f").download_file().readall())[0] == 403
    assert refused(lambda: inside.get_file_client("sas/x").create_file()) == (403, "AuthorizationPermissionMismatch")
    t = generate_file_system_sas(ACCOUNT, "lake", server.key, FileSystemSasPermissions(read=True), soon())
    no_list = FileSystemClient(server.dfs, "lake", credential=t, **server.options)
    assert refused(lambda: no_list.get_paths()) == (403, "AuthorizationPermissionMismatch")
    t = generate_blob_sas(ACCOUNT, "lake", "sas/in/f", account_key=server.key, permission=BlobSasPermissions(read=True), expiry=dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=1))
    late = BlobClient(server.blob, "lake", "sas/in/f", credential=t, **server.options)
    assert refused(lambda: late.download_blob().readall()) == (403, "AuthenticationFailed")
    t = generate_account_sas(ACCOUNT, server.key, ResourceTypes(object=True), AccountSasPermissions(read=True, list=True), soon())
    assert refused(lambda: server.blobs(t).list_containers()) == (403, "AuthorizationResourceTypeMismatch")


def test_a_delegated_signature_has_no_more_rights_than_its_maker(server, lake):
    lake.get_file_client("delegated").upload_data(b"delegated", overwrite=True)
    start = dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=5)
    key = server.blobs(server.credential(server.reader)).get_user_delegation_key(start, soon())
    t = generate_blob_sas(ACCOUNT, "lake", "delegated", user_delegation_key=key, permission=BlobSasPermissions(read=True, write=True), expiry=soon())
    b = BlobClient(server.blob, "lake", "delegated", credential=t, **server.options)
    assert b.download_blob().readall() == b"delegated"
    assert refused(lambda: b.upload_blob(b"x", overwrite=True)) == (403, "AuthorizationPermissionMismatch")


# ---- what nobody may -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["..%2f..%2f..%2fadmin-token", "a/..%2f..%2f..%2f..%2fadmin-token", "%2e%2e/%2e%2e/properties.db", "a/./b", "a//b", "a%00b"])
def test_no_path_leaves_its_file_system(server, lake, path):
    for method, query in (("GET", ""), ("HEAD", ""), ("PUT", "?resource=file"), ("DELETE", "?recursive=true")):
        status, _, body = signed(server, method, f"/lake/{path}{query}")
        assert 400 <= status < 500
        assert server.token.encode() not in body
    if "%00" not in path:
        status, _, _ = signed(server, "PUT", "/lake/taken", {"x-ms-rename-source": f"/lake/{path}"})
        assert 400 <= status < 500


def test_a_link_that_leads_out_is_not_followed(server, lake):
    lake.create_directory("links")
    os.symlink(os.path.join(server.home, "admin-token"), os.path.join(server.home, "storage", ACCOUNT, "data", "lake", "links", "out"))
    assert signed(server, "GET", "/lake/links/out")[0] == 404
    assert list(lake.get_paths("links")) == []


@pytest.mark.parametrize("body", [b"", b"<BlockList>", b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><BlockList><Latest>&a;</Latest></BlockList>",
                                  b"<a>" * 50_000, b"\xff\xfe", b"<BlockList><Latest>" + b"x" * 100_000])
def test_broken_xml_is_refused(server, lake, body):
    status, headers, text = server.http("PUT", server.blob + "/lake/xml?comp=blocklist&" + generate_account_sas(ACCOUNT, server.key, "sco", "rwlc", soon()),
                                        {"x-ms-version": "2021-12-02"}, body)
    assert (status, headers["x-ms-error-code"]) == (400, "InvalidXmlDocument")
    assert b"root:" not in text


def test_bodies_have_limits(server, lake):
    # Refused by what it says of itself: nobody sends that much to be told so.
    status, headers, _ = signed_blob(server, "PUT", "/lake?restype=container&comp=acl", {"content-length": str(1 << 50)})
    assert (status, headers["x-ms-error-code"]) == (413, "RequestBodyTooLarge")
    big = b"<SignedIdentifiers>" + b" " * (1 << 20) + b"</SignedIdentifiers>"
    sas_free = server.blobs().get_container_client("lake")
    assert sas_free.get_container_access_policy()["signed_identifiers"] == []
    status, headers, _ = signed_blob(server, "PUT", "/lake?restype=container&comp=acl", body=big)
    assert (status, headers["x-ms-error-code"]) == (413, "RequestBodyTooLarge")


def signed_blob(server, method, path, headers=None, body=b""):
    """signed(), for the blob host."""
    saved, server.dfs = server.dfs, server.blob
    try:
        return signed(server, method, path, headers, body)
    finally:
        server.dfs = saved


def test_copies_come_from_this_account_only(server, lake):
    b = server.blobs().get_blob_client("lake", "copied")
    for url in ("http://169.254.169.254/latest/meta-data", "https://example.org/x", f"https://localhost:{server.port}/health"):
        assert refused(lambda: b.start_copy_from_url(url)) == (403, "CannotVerifyCopySource")


def test_what_the_account_lacks_is_refused_not_passed_over(server, lake):
    b = server.blobs().get_blob_client("lake", "lacks")
    assert refused(lambda: b.upload_blob(b"x", overwrite=True, tags={"a": "b"}))[0] == 400
    b.upload_blob(b"x", overwrite=True)
    for call in (b.create_snapshot, lambda: b.set_standard_blob_tier("Cool"), lambda: b.set_blob_tags({"a": "b"}), b.get_blob_tags, b.undelete_blob,
                 lambda: b.set_legal_hold(True), lambda: b.create_page_blob(512), lambda: b.upload_page(b"x" * 512, 0, 512), b.get_page_ranges):
        assert refused(call) == (409, "FeatureNotSupported"), call
    of_a_snapshot = server.blobs().get_blob_client("lake", "lacks", snapshot="2026-01-01T00:00:00.0000000Z")
    for call in (of_a_snapshot.get_blob_properties, of_a_snapshot.get_block_list, lambda: b.get_blob_properties(version_id="2026-01-01T00:00:00.0000000Z")):
        assert refused(call)[0] == 409
    assert refused(lambda: b.stage_block_from_url("MDAw", f"{server.blob}/lake/lacks"))[0] == 409   # it has no body: a block of nothing else
    assert refused(lambda: server.blobs().create_container("public", public_access="blob")) == (409, "FeatureNotSupported")


def test_keys_and_tokens_stay_out_of_logs(server, lake):
    token = server.credential(server.owner).get_token("https://storage.azure.com/.default").token
    server.http("GET", server.dfs + "/lake/private", {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"})
    t = generate_account_sas(ACCOUNT, server.key, "sco", "rwlc", soon())
    server.http("PUT", f"{server.blob}/lake/logged?{t}", {"x-ms-version": "2021-12-02", "x-ms-blob-type": "BlockBlob"}, b"x")
    signature = dict(p.split("=", 1) for p in t.split("&"))["sig"]
    for name in ("logs/server.log", "logs/audit.log", "stderr.log"):
        text = open(os.path.join(server.home, name)).read()
        assert server.key not in text and token not in text and signature not in text and server.owner["secret"] not in text
    assert os.stat(os.path.join(server.home, "storage-account.json")).st_mode & 0o077 == 0


# ---- other doors to the same account ---------------------------------------------------------------------------------------
def test_the_connection_string_of_the_command_line_works(server, lake):
    import subprocess
    from clusters import tarn_binary
    text = subprocess.run([tarn_binary(), "storage", "--home", server.home], capture_output=True, text=True, timeout=30, check=True).stdout
    values = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    service = DataLakeServiceClient.from_connection_string(values["connection_string"], **server.options)
    f = service.get_file_system_client("lake").create_file("by-connection-string")
    f.append_data(b"x", 0, flush=True)
    assert f.download_file().readall() == b"x"


@pytest.mark.parametrize("blob,dfs", [(".blob.localhost:{port}", ".dfs.localhost:{port}"), ("127.0.0.1:{port}", "127.0.0.1:{port}")], ids=["by host", "by path"])
def test_pyarrow_sees_a_hierarchical_account(tmp_path, blob, dfs):
    """Over plain HTTP on loopback, in a process of its own: Arrow's client reads its trusted certificates at its start."""
    import subprocess
    import sys
    from clusters import tarn_binary
    home = tmp_path / "home"
    p = subprocess.Popen([tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", str(home)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = p.stdout.readline().strip().rsplit(":", 1)[1]
        key = json.load(open(home / "storage-account.json"))["key1"]
        program = f"""
import pyarrow as pa, pyarrow.dataset as ds, pyarrow.fs as pf, pyarrow.parquet as pq
fs = lambda: pf.AzureFileSystem({ACCOUNT!r}, account_key={key!r}, blob_storage_authority={blob.format(port=port)!r}, dfs_storage_authority={dfs.format(port=port)!r},
                                blob_storage_scheme='http', dfs_storage_scheme='http')
fs().create_dir('arrow')
a = fs()
a.create_dir('arrow/d/s')
pq.write_table(pa.table({{'x': list(range(1000))}}), 'arrow/d/s/t.parquet', filesystem=a)
a.move('arrow/d/s', 'arrow/d/t')
print(sorted((i.path, i.type.name) for i in a.get_file_info(pf.FileSelector('arrow', recursive=True))))
print(pq.read_table('arrow/d/t/t.parquet', filesystem=a).num_rows)
ds.write_dataset(pa.table({{'x': [1, 2, 3], 'p': ['a', 'b', 'c']}}), 'arrow/set é', filesystem=a, format='parquet', partitioning=['p'])
print(ds.dataset('arrow/set é', filesystem=a, partitioning=['p']).to_table(filter=ds.field('p') == 'b').to_pylist())
with a.open_output_stream('arrow/large') as o:
    o.write(bytes(30_000_000))
print(a.get_file_info('arrow/large').size, len(a.open_input_file('arrow/large').read()))
a.copy_file('arrow/large', 'arrow/copy')
a.move('arrow/copy', 'arrow/moved')
for action in (lambda: a.open_input_file('arrow/no'), lambda: a.delete_file('arrow/no'), lambda: a.get_file_info(pf.FileSelector('no-such/no'))):
    try:
        action()
    except FileNotFoundError:
        print('missing')
a.delete_dir('arrow/d')
print(a.get_file_info('arrow/d').type.name)
"""
        r = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert r.stdout.splitlines() == ["[('arrow/d', 'Directory'), ('arrow/d/t', 'Directory'), ('arrow/d/t/t.parquet', 'File')]", "1000", "[{'x': 2, 'p': 'b'}]",
                                         "30000000 30000000", "missing", "missing", "missing", "NotFound"], r.stderr
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait(30)
        p.stdout.close()


def test_deltalake_writes_a_table_to_the_account(tmp_path):
    import subprocess
    import pyarrow as pa
    from clusters import tarn_binary
    from deltalake import DeltaTable, write_deltalake
    home = tmp_path / "home"
    p = subprocess.Popen([tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", str(home)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = p.stdout.readline().strip().rsplit(":", 1)[1]
        key = json.load(open(home / "storage-account.json"))["key1"]
        from azure.storage.blob import BlobServiceClient
        BlobServiceClient(f"http://127.0.0.1:{port}/{ACCOUNT}", credential={"account_name": ACCOUNT, "account_key": key}).create_container("delta")
        options = {"azure_storage_account_name": ACCOUNT, "azure_storage_account_key": key, "azure_storage_endpoint": f"http://127.0.0.1:{port}/{ACCOUNT}", "allow_http": "true"}
        write_deltalake("az://delta/t", pa.table({"x": [1, 2]}), storage_options=options)
        write_deltalake("az://delta/t", pa.table({"x": [3]}), mode="append", storage_options=options)
        t = DeltaTable("az://delta/t", storage_options=options)
        assert (t.version(), sorted(t.to_pyarrow_table()["x"].to_pylist())) == (1, [1, 2, 3])
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait(30)
        p.stdout.close()
