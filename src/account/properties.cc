#include "account/properties.h"

#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace tarn::account {

using nlohmann::json;

namespace {

json of(const Lease& l) { return {{"id", l.id}, {"duration", l.duration_s}, {"expires", l.expires_ms}, {"breaks", l.breaks_ms}, {"released", l.released}}; }

Lease lease_of(const json& j) {
  Lease l;
  auto it = j.find("lease");
  if (it == j.end()) return l;
  l.id = it->value("id", "");
  l.duration_s = it->value("duration", -1);
  l.expires_ms = it->value("expires", int64_t{0});
  l.breaks_ms = it->value("breaks", int64_t{0});
  l.released = it->value("released", false);
  return l;
}

std::map<std::string, std::string> texts(const json& j, const char* name) {
  auto it = j.find(name);
  return it == j.end() ? std::map<std::string, std::string>() : it->get<std::map<std::string, std::string>>();
}

}  // namespace

std::string to_json(const Properties& p) {
  json j = {{"etag", p.etag}, {"created", p.created_ms}, {"modified", p.modified_ms}, {"mtime", p.content_mtime}, {"type", p.blob_type},
            {"owner", p.owner}, {"group", p.group}, {"acl", p.acl}};
  if (p.committed) j["committed"] = *p.committed;
  if (p.flushes) j["flushes"] = p.flushes;
  if (!p.content.empty()) j["content"] = p.content;
  if (!p.metadata.empty()) j["metadata"] = p.metadata;
  if (!p.blocks.empty()) {
    json& blocks = j["blocks"] = json::array();
    for (const auto& b : p.blocks) blocks.push_back({b.id, b.size});
  }
  if (p.appended_blocks) j["appended"] = p.appended_blocks;
  if (!p.lease.id.empty()) j["lease"] = of(p.lease);
  if (!p.copy_id.empty()) j["copy"] = {{"id", p.copy_id}, {"source", p.copy_source}, {"time", p.copied_ms}};
  return j.dump();
}

Properties properties_from_json(const std::string& text) {
  json j = json::parse(text);
  Properties p;
  p.etag = j.value("etag", "");
  p.created_ms = j.value("created", int64_t{0});
  p.modified_ms = j.value("modified", int64_t{0});
  p.content_mtime = j.value("mtime", int64_t{0});
  if (j.contains("committed")) p.committed = j["committed"].get<int64_t>();
  p.flushes = j.value("flushes", int64_t{0});
  p.blob_type = j.value("type", "BlockBlob");
  p.content = texts(j, "content");
  p.metadata = texts(j, "metadata");
  if (j.contains("blocks")) {
    for (const auto& b : j["blocks"]) p.blocks.push_back({b[0].get<std::string>(), b[1].get<int64_t>()});
  }
  p.appended_blocks = j.value("appended", int64_t{0});
  p.owner = j.value("owner", p.owner);
  p.group = j.value("group", p.group);
  p.acl = j.value("acl", "");
  p.lease = lease_of(j);
  if (j.contains("copy")) {
    p.copy_id = j["copy"].value("id", "");
    p.copy_source = j["copy"].value("source", "");
    p.copied_ms = j["copy"].value("time", int64_t{0});
  }
  return p;
}

std::string to_json(const ContainerProperties& p) {
  json j = {{"etag", p.etag}, {"modified", p.modified_ms}, {"metadata", p.metadata}, {"lease", of(p.lease)}, {"policies", json::array()}};
  for (const auto& a : p.policies) j["policies"].push_back({{"id", a.id}, {"start", a.start}, {"expiry", a.expiry}, {"permission", a.permission}});
  return j.dump();
}

ContainerProperties container_from_json(const std::string& text) {
  json j = json::parse(text);
  ContainerProperties p;
  p.etag = j.value("etag", "");
  p.modified_ms = j.value("modified", int64_t{0});
  p.metadata = texts(j, "metadata");
  p.lease = lease_of(j);
  if (j.contains("policies")) {
    for (const auto& a : j["policies"]) p.policies.push_back({a.value("id", ""), a.value("start", ""), a.value("expiry", ""), a.value("permission", "")});
  }
  return p;
}

std::string new_etag() { return "\"0x8D" + random_hex(7) + "\""; }

}  // namespace tarn::account
