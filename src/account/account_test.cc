// Signatures, leases, access lists, XML: the parts of the storage account that need no server. Expected values: Microsoft's documentation of
// the REST API where it has examples, else an HMAC computed apart with Python's hmac.
#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "account/acl.h"
#include "account/authorizer.h"
#include "account/conditions.h"
#include "account/digest.h"
#include "account/error.h"
#include "account/exchange.h"
#include "account/lease.h"
#include "account/sas.h"
#include "account/shared_key.h"
#include "account/store.h"
#include "base/encoding.h"
#include "base/hmac.h"
#include "base/io_error.h"

using namespace tarn;
using namespace tarn::account;

namespace {

http::Request request(const std::string& method, const std::string& target, std::vector<std::pair<std::string, std::string>> headers) {
  http::Request r;
  r.method = method;
  r.target = target;
  parse_target(&r);
  for (auto& [n, v] : headers) r.headers.add(n, v);
  return r;
}

std::string code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const StorageError& e) {
    return e.code();
  }
  return "";
}

struct TemporaryFolder {
  std::string path = std::filesystem::temp_directory_path() / ("account_test_" + random_hex(6));
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

Properties plain_properties() {
  Properties p;
  p.etag = new_etag();
  p.created_ms = p.modified_ms = now_ms();
  p.acl = Acl::of_mode(0640).text();
  return p;
}

Entry put(Store& store, const std::string& path, const std::string& content, Properties p = plain_properties()) {
  auto guard = store.lock("fs1");
  Staged staged = store.stage();
  staged.file().write(content);
  auto there = store.find("fs1", path);
  return store.publish("fs1", path, staged, std::move(p), there, "PutBlob");
}

std::string content(Store& store, const std::string& path) {
  std::optional<Entry> entry;
  Descriptor fd = store.open("fs1", path, &entry);
  if (!fd) return "(missing)";
  std::string out(static_cast<size_t>(entry->size), '\0');
  out.resize(fd.read_at(out.data(), out.size(), 0));
  return out;
}

}  // namespace

// The examples of "Authorize with Shared Key".
TEST_CASE("the documented requests sign the documented text") {
  auto get = request("GET", "/mycontainer?comp=metadata&restype=container&timeout=20",
                     {{"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}, {"x-ms-version", "2015-02-21"}, {"Content-Length", "0"}});
  CHECK(string_to_sign(get, "myaccount") ==
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
  auto list = request("GET", "/container?restype=container&comp=list&include=snapshots&include=metadata&include=uncommittedblobs", {});
  CHECK(string_to_sign(list, "myaccount").ends_with("/myaccount/container\ncomp:list\ninclude:metadata,snapshots,uncommittedblobs\nrestype:container"));
}

TEST_CASE("a Content-Length counts unless it is 0, Date only without x-ms-date") {
  auto put = request("PUT", "/c/b", {{"Content-Length", "11"}, {"Content-Type", "text/plain"}, {"Date", "Sun, 20 Sep 2009 20:36:40 GMT"}, {"x-ms-meta-m1", " v1 "}, {"x-ms-meta-m2", "v2"}});
  CHECK(string_to_sign(put, "testaccount1") == "PUT\n\n\n11\n\ntext/plain\nSun, 20 Sep 2009 20:36:40 GMT\n\n\n\n\n\nx-ms-meta-m1:v1\nx-ms-meta-m2:v2\n/testaccount1/c/b");
}

TEST_CASE("a plus sign in a query is one, unless a client escapes as forms do") {
  auto r = request("GET", "/c?prefix=a+b", {});
  CHECK(string_to_sign(r, "x").ends_with("\nprefix:a+b"));
  CHECK(string_to_sign(r, "x", true).ends_with("\nprefix:a b"));
}

TEST_CASE("header names are ordered by weight, hyphens passed over") {
  for (auto [a, b] : {std::pair{"x-ms-meta-a_b", "x-ms-meta-a1"}, {"x-ms-meta-a1", "x-ms-meta-ab"}, {"x-ms-meta-a", "x-ms-meta-a_b"}, {"x-ms-date", "x-ms-meta-a"},
                      {"x-ms-meta-A9_z", "x-ms-meta-ab"}, {"x-ms-range", "x-ms-range-get-content-md5"}, {"x-ms-if-tags", "x-ms-if--tags"}}) {
    CHECK_MESSAGE(header_before(a, b), a);
    CHECK_MESSAGE(!header_before(b, a), b);
  }
}

TEST_CASE("HMAC-SHA256 as in RFC 4231") {
  CHECK(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// The example of "Create a service SAS" for 2020-12-06: fields in their order, an empty line for each that is missing.
TEST_CASE("the text of a service SAS has a line for every field") {
  auto r = request("GET", "/c/b?sv=2020-12-06&sr=b&sp=r&st=2020-01-01T00:00:00Z&se=2030-01-01T00:00:00Z&sip=168.1.5.60-168.1.5.70&spr=https&rscd=file%3B%20attachment&rsct=binary&sig=x", {});
  auto sas = Sas::of(r.query);
  REQUIRE(sas);
  CHECK(sas->kind == Sas::Kind::kService);
  auto texts = sas->strings_to_sign("acc", "/blob/acc/c/b", r);
  CHECK(texts[0] == "r\n2020-01-01T00:00:00Z\n2030-01-01T00:00:00Z\n/blob/acc/c/b\n\n168.1.5.60-168.1.5.70\nhttps\n2020-12-06\nb\n\n\n\nfile; attachment\n\n\nbinary");
}

TEST_CASE("the text of an account SAS ends with a line break") {
  auto r = request("GET", "/?sv=2022-11-02&ss=b&srt=sco&sp=rl&se=2030-01-01T00:00:00Z&sig=x", {});
  auto sas = Sas::of(r.query);
  REQUIRE(sas);
  CHECK(sas->strings_to_sign("acc", "", r)[0] == "acc\nrl\nb\nsco\n\n2030-01-01T00:00:00Z\n\n\n2022-11-02\n\n");
}

TEST_CASE("a signed token opens what it names, once its text is unchanged") {
  AccountKeys keys{"acc", {std::string(64, 'k')}, std::string(32, 's')};
  Authorizer authorizer(keys, {[](const std::string&) { return std::nullopt; }, [](const std::string&) { return std::nullopt; }, [](const std::string&) { return std::nullopt; }});
  std::string text = "r\n\n2099-01-01T00:00:00Z\n/blob/acc/c/dir\n\n\n\n2022-11-02\nd\n\n\n\n\n\n\n";
  std::string sig;
  for (char c : base64_encode(hmac_sha256(keys.keys[0], text))) sig += c == '+' ? "%2B" : c == '/' ? "%2F" : std::string(1, c);
  std::string token = "sv=2022-11-02&sr=d&sdd=1&sp=r&se=2099-01-01T00:00:00Z&sig=" + sig;
  auto in = request("GET", "/c/dir/x?" + token, {});
  Grant grant = authorizer.authenticate(in, {"c", "dir/x", "", false});
  CHECK(grant.allows("r"));
  CHECK(!grant.allows("w"));
  CHECK(code_of([&] { grant.require('c', "l"); }) == "AuthorizationPermissionMismatch");
  CHECK(code_of([&] { grant.require_scope({"c", "other/x", ""}); }) == "AuthorizationPermissionMismatch");
  CHECK(code_of([&] { authorizer.authenticate(in, {"c", "other/x", ""}); }) == "AuthenticationFailed");
  auto more = request("GET", "/c/dir/x?" + token + "&rsct=a%0Ab", {});
  CHECK(code_of([&] { authorizer.authenticate(more, {"c", "dir/x", ""}); }) == "AuthenticationFailed");
  auto longer = request("GET", "/c/dir/x?sv=2022-11-02&sr=d&sdd=1&sp=rw&se=2099-01-01T00:00:00Z&sig=" + sig, {});
  CHECK(code_of([&] { authorizer.authenticate(longer, {"c", "dir/x", ""}); }) == "AuthenticationFailed");
}

TEST_CASE("times and addresses of a SAS") {
  CHECK(parse_sas_time("1970-01-02") == 86'400'000);
  CHECK(parse_sas_time("1970-01-01T00:01Z") == 60'000);
  CHECK(parse_sas_time("1970-01-01T00:00:01.5000000Z") == 1000);
  CHECK(!parse_sas_time("1970-01-01T00:00:01"));
  CHECK(in_ip_range("168.1.5.65", "168.1.5.60-168.1.5.70"));
  CHECK(!in_ip_range("168.1.5.71", "168.1.5.60-168.1.5.70"));
}

TEST_CASE("a lease goes through its states") {
  Lease lease;
  const int64_t t = 1'000'000;
  CHECK(code_of([&] { apply(lease, {"acquire", "", "", 10, {}}, t); }) == "InvalidHeaderValue");
  auto a = apply(lease, {"acquire", "", "", 15, {}}, t);
  CHECK(a.status == 201);
  CHECK(std::string(lease_state(lease, t)) == "leased");
  CHECK(code_of([&] { apply(lease, {"acquire", "", "", 15, {}}, t); }) == "LeaseAlreadyPresent");
  CHECK(code_of([&] { require_lease(lease, "", t, false); }) == "LeaseIdMissing");
  CHECK(code_of([&] { require_lease(lease, "11111111-1111-1111-1111-111111111111", t, false); }) == "LeaseIdMismatchWithBlobOperation");
  require_lease(lease, a.id, t, false);
  CHECK(std::string(lease_state(lease, t + 15'001)) == "expired");
  require_lease(lease, "", t + 15'001, false);
  apply(lease, {"renew", a.id, "", {}, {}}, t + 16'000);
  CHECK(apply(lease, {"break", "", "", {}, 5}, t + 16'000).remaining_s == 5);
  CHECK(std::string(lease_state(lease, t + 17'000)) == "breaking");
  CHECK(std::string(lease_state(lease, t + 21'001)) == "broken");
  CHECK(code_of([&] { apply(lease, {"renew", a.id, "", {}, {}}, t + 22'000); }) == "LeaseIsBrokenAndCannotBeRenewed");
  apply(lease, {"release", a.id, "", {}, {}}, t + 22'000);
  CHECK(std::string(lease_state(lease, t + 22'000)) == "available");
}

TEST_CASE("access lists: masks, defaults and what a child inherits") {
  Acl acl = Acl::parse("user::rwx,user:u1:rwx,group::r-x,other::---");
  acl.complete();
  CHECK(acl.text() == "user::rwx,user:u1:rwx,group::r-x,mask::rwx,other::---");
  CHECK(acl.permissions() == "rwxrwx---+");
  CHECK(!acl.allows(2, false, true, {}));
  CHECK(acl.allows(2, false, false, {"u1"}));
  acl.set_mode(0740);
  CHECK(!acl.allows(2, false, false, {"u1"}));  // the mask cuts
  CHECK(code_of([] { Acl::parse("user::rwz"); }) == "InvalidInput");
  CHECK(code_of([] { Acl::parse("user::rwx,user::r--"); }) == "InvalidInput");
  CHECK(code_of([] { Acl a = Acl::parse("user::rwx,group::r-x"); a.complete(); }) == "InvalidInput");
  Acl parent = Acl::parse("user::rwx,group::r-x,other::---,default:user::rwx,default:group::r--,default:other::---");
  CHECK(parent.inherited(false, 0666, 0027).text() == "user::rw-,group::r--,other::---");
  CHECK(parent.inherited(true, 0777, 0027).text() == "user::rwx,group::r--,other::---,default:user::rwx,default:group::r--,default:other::---");
  CHECK(Acl::of_mode(0750).inherited(false, 0666, 0027).text() == "user::rw-,group::r--,other::---");
}

TEST_CASE("XML that a client may send, and XML that nobody should") {
  XmlElement root = parse_document("<?xml version=\"1.0\"?><BlockList><!-- x --><Latest> QUJD\n</Latest><Committed a='b'>&#x41;&amp;</Committed></BlockList>", "BlockList");
  REQUIRE(root.children.size() == 2);
  CHECK(root.children[0].text == "QUJD");
  CHECK(root.children[1].text == "A&");
  for (const char* bad : {"", "<a>", "<b/>", "<a/><a/>"}) CHECK_MESSAGE(code_of([&] { parse_document(bad, "a"); }) == "InvalidXmlDocument", bad);
}

// Check value of the CRC-64 with this polynomial over "123456789" (CRC-64/NVME).
TEST_CASE("CRC-64 and MD5") {
  CHECK(crc64(0, "123456789") == 0xAE8B14860A799888ull);
  CHECK(crc64(crc64(0, "1234"), "56789") == crc64(0, "123456789"));
  Md5 md5;
  md5.add("checked");
  CHECK(hex_encode(md5.finish()) == "3793ea52a7be2d7deafd858fda50775c");
}

TEST_CASE("no path leaves its container") {
  for (const char* bad : {"c/../x", "c/a/..", "c/./x", "c/a//b", "c/%2e%2e/x", "c/a%2f..%2f..%2fx", "c/%00", "c/%ff"}) {
    Address a;
    CHECK_MESSAGE(code_of([&] { parse_path(bad, &a); }) == "InvalidUri", bad);
  }
  Address a;
  parse_path("/c/a%2Fb%20c/", &a);
  CHECK(a.container == "c");
  CHECK(a.path == "a/b c");
  for (const char* bad : {"ab", "UPPER", "under_score", "a--b", "-ab", "..", "a/b"}) CHECK(code_of([&] { check_container_name(bad); }) == "InvalidResourceName");
}

TEST_CASE("the store: properties follow a renamed tree, appended data is unseen before its commit") {
  TemporaryFolder folder;
  Store store(folder.path);
  ContainerProperties c;
  c.name = "fs1";
  REQUIRE(store.create_container(c));
  CHECK(!store.create_container(c));
  store.make_directories("fs1", "a/b", [](const Entry&) { return plain_properties(); });
  Properties p = plain_properties();
  p.metadata["k"] = "v";
  put(store, "a/b/f", "one", p);
  auto a = store.find("fs1", "a");
  REQUIRE(a);
  store.rename("fs1", "a", *a, "fs1", "z", std::nullopt);
  auto f = store.find("fs1", "z/b/f");
  REQUIRE(f);
  CHECK(f->properties.metadata == MetadataMap{{"k", "v"}});
  CHECK(!store.find("fs1", "a"));

  {
    auto append = store.begin_append("fs1", "z/b/f", *f);
    std::string_view more = "TWO";
    REQUIRE(::pwrite(append->file.get(), more.data(), more.size(), 3) == 3);
    store.end_append("fs1", "z/b/f", *append, 3, 6);
  }
  CHECK(content(store, "z/b/f") == "one");
  f = store.find("fs1", "z/b/f");
  CHECK(store.covered(*f, 6));
  CHECK(!store.covered(*f, 7));
  store.commit_appended("fs1", "z/b/f", *f, 6, false, "FlushWithClose");
  CHECK(content(store, "z/b/f") == "oneTWO");

  bool more = false;
  ListRequest all;
  all.recursive = true;
  all.limit = 2;
  std::vector<std::string> seen;
  do {
    for (auto& l : store.list("fs1", all, &more)) {
      seen.push_back(key_of(l.path, l.entry.directory));
      all.after = seen.back();
    }
  } while (more);
  CHECK(seen == std::vector<std::string>{"z/", "z/b/", "z/b/f"});

  auto events = store.events().after(0, 10);
  REQUIRE(events.size() == 3);
  CHECK(events[0].subject() == "/blobServices/default/containers/fs1/blobs/a/b/f");
  CHECK(events[1].type == "DirectoryRenamed");
  CHECK(events[2].api == "FlushWithClose");
  auto z = store.find("fs1", "z");
  CHECK(code_of([&] { store.remove("fs1", "z", *z, false, "DeleteDirectory"); }) == "DirectoryNotEmpty");
  store.remove("fs1", "z", *z, true, "DeleteDirectory");
  CHECK(!store.find("fs1", "z"));
}

TEST_CASE("a change that fails leaves no event behind that holds up the later ones") {
  TemporaryFolder folder;
  Store store(folder.path);
  ContainerProperties c;
  c.name = "fs1";
  REQUIRE(store.create_container(c));
  CHECK_THROWS_AS(put(store, std::string(300, 'x'), "1"), IoError);   // longer than any name may be on the disk
  Entry f = put(store, "f", "1");
  CHECK_THROWS_AS(store.rename("fs1", "f", f, "fs1", std::string(300, 'x'), std::nullopt), IoError);
  CHECK_THROWS_AS(store.remove("fs1", std::string(300, 'x'), f, false, "DeleteFile"), IoError);
  put(store, "g", "2");
  auto events = store.events().after(0, 10);
  REQUIRE(events.size() == 2);
  CHECK(events[0].path == "f");
  CHECK(events[1].path == "g");
}

TEST_CASE("the store after a crash: unflushed data stays uncommitted, a file that others wrote has another entity tag") {
  TemporaryFolder folder;
  std::string etag;
  {
    Store store(folder.path);
    ContainerProperties c;
    c.name = "fs1";
    store.create_container(c);
    etag = put(store, "f", "0123").properties.etag;
    auto append = store.begin_append("fs1", "f", *store.find("fs1", "f"));
    REQUIRE(::pwrite(append->file.get(), "x", 1, 4) == 1);   // written, never registered
    put(store, "g", "old");
  }
  Store store(folder.path);
  CHECK(content(store, "f") == "0123");
  CHECK(store.find("fs1", "f")->properties.etag == etag);
  auto before = store.find("fs1", "g")->properties.etag;
  std::FILE* out = std::fopen((folder.path + "/data/fs1/g").c_str(), "a");
  std::fputs("er", out);
  std::fclose(out);
  CHECK(store.find("fs1", "g")->properties.etag != before);
  CHECK(content(store, "g") == "older");
}
