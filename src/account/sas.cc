#include "account/sas.h"

#include <arpa/inet.h>

#include <cstdio>
#include <ctime>

#include "account/shared_key.h"
#include "base/encoding.h"

namespace tarn::account {
namespace {

constexpr const char* kFields[] = {"sv", "ss", "srt", "sp", "st", "se", "sip", "spr", "sig", "ses", "si", "sr", "sdd", "snapshot", "versionid", "rscc",
                                   "rscd", "rsce", "rscl", "rsct", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "skdutid",
                                   "sduoid", "srh", "srq"};

std::string lines(const Sas& sas, std::initializer_list<const char*> names) {
  std::string out;
  for (const char* n : names) out += sas.get(n) + "\n";
  return out;
}

// "name:value\n" of each header that srh names; "\nname:value" of each parameter that srq names.
std::string signed_headers(const Sas& sas, const http::Request& request) {
  std::string out, names = sas.get("srh");
  for (size_t at = 0; at < names.size();) {
    size_t end = std::min(names.find(',', at), names.size());
    std::string name = percent_decode(names.substr(at, end - at), false).value_or("");
    out += name + ":" + request.headers.get(name) + "\n";
    at = end + 1;
  }
  return out;
}

std::string signed_parameters(const Sas& sas, const http::Request& request) {
  std::string out, names = sas.get("srq");
  auto query = http::decoded_query(request.target, false).value_or(Query{});
  for (size_t at = 0; at < names.size();) {
    size_t end = std::min(names.find(',', at), names.size());
    std::string name = percent_decode(names.substr(at, end - at), false).value_or(""), value;
    for (const auto& [n, v] : query) {
      if (n == name) value = v;
    }
    out += "\n" + name + ":" + value;
    at = end + 1;
  }
  return out;
}

}  // namespace

std::optional<Sas> Sas::of(const std::vector<std::pair<std::string, std::string>>& query) {
  Sas sas;
  for (const auto& [name, value] : query) {
    for (const char* f : kFields) {
      if (name == f) sas.fields.emplace(name, value);
    }
  }
  if (!sas.fields.contains("sig")) return std::nullopt;
  if (sas.fields.contains("ss") && sas.fields.contains("srt")) sas.kind = Kind::kAccount;
  else if (sas.fields.contains("skoid")) sas.kind = Kind::kDelegation;
  return sas;
}

std::string Sas::get(const char* name) const {
  auto it = fields.find(name);
  return it == fields.end() ? "" : it->second;
}

std::vector<std::string> Sas::strings_to_sign(std::string_view account, std::string_view resource, const http::Request& request) const {
  std::vector<std::string> out;
  if (kind == Kind::kAccount) {
    std::string text = std::string(account) + "\n" + lines(*this, {"sp", "ss", "srt", "st", "se", "sip", "spr", "sv"});
    out.push_back(text + get("ses") + "\n");
    if (get("ses").empty()) out.push_back(text);  // before 2020-12-06
    return out;
  }
  const std::string head = lines(*this, {"sp", "st", "se"}) + std::string(resource) + "\n";
  const std::string responses = "\n" + get("rscc") + "\n" + get("rscd") + "\n" + get("rsce") + "\n" + get("rscl") + "\n" + get("rsct");
  const std::string snapshot = get("sr") == "bv" ? get("versionid") : get("snapshot");
  const std::string tail = lines(*this, {"sip", "spr", "sv", "sr"}) + snapshot;
  if (kind == Kind::kService) {
    out.push_back(head + get("si") + "\n" + tail + "\n" + get("ses") + responses);
    if (get("ses").empty()) out.push_back(head + get("si") + "\n" + tail + responses);  // 2018-11-09 to 2020-10-02
    return out;
  }
  const std::string key = lines(*this, {"skoid", "sktid", "skt", "ske", "sks", "skv"});
  const std::string agents = lines(*this, {"saoid", "suoid", "scid"}), users = lines(*this, {"skdutid", "sduoid"});
  const bool no_srh = get("srh").empty() && get("srq").empty(), no_users = get("skdutid").empty() && get("sduoid").empty();
  const bool no_scope = get("ses").empty(), no_agents = get("saoid").empty() && get("suoid").empty() && get("scid").empty();
  out.push_back(head + key + agents + users + tail + "\n" + get("ses") + "\n" + signed_headers(*this, request) + "\n" + signed_parameters(*this, request) + responses);
  if (no_srh) out.push_back(head + key + agents + users + tail + "\n" + get("ses") + responses);      // 2025-07-05
  if (no_srh && no_users) out.push_back(head + key + agents + tail + "\n" + get("ses") + responses);  // 2020-12-06
  if (no_srh && no_users && no_scope) out.push_back(head + key + agents + tail + responses);          // 2020-02-10
  if (no_srh && no_users && no_scope && no_agents) out.push_back(head + key + tail + responses);      // 2018-11-09
  return out;
}

std::string Sas::delegation_key_text(const std::string& oid, const std::string& tid, const std::string& start, const std::string& expiry,
                                     const std::string& service, const std::string& version) {
  return "user delegation key\n" + oid + "\n" + tid + "\n" + start + "\n" + expiry + "\n" + service + "\n" + version;
}

std::optional<int64_t> parse_sas_time(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
  std::string s(text);
  if (std::sscanf(s.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3) return std::nullopt;
  size_t at = static_cast<size_t>(used);
  if (at < s.size()) {
    if (std::sscanf(s.c_str() + at, "T%2d:%2d%n", &hour, &minute, &used) != 2) return std::nullopt;
    at += static_cast<size_t>(used);
    if (at < s.size() && s[at] == ':') {
      if (std::sscanf(s.c_str() + at, ":%2d%n", &second, &used) != 1) return std::nullopt;
      at += static_cast<size_t>(used);
    }
    if (at < s.size() && s[at] == '.') {
      for (++at; at < s.size() && s[at] >= '0' && s[at] <= '9';) ++at;
    }
    if (s.substr(at) != "Z") return std::nullopt;
  }
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  std::tm tm{};
  tm.tm_year = year - 1900, tm.tm_mon = month - 1, tm.tm_mday = day, tm.tm_hour = hour, tm.tm_min = minute, tm.tm_sec = second;
  return static_cast<int64_t>(timegm(&tm)) * 1000;
}

bool in_ip_range(std::string_view address, std::string_view range) {
  auto number = [](std::string_view s) -> std::optional<uint32_t> {
    in_addr a{};
    if (::inet_pton(AF_INET, std::string(s).c_str(), &a) != 1) return std::nullopt;
    return ntohl(a.s_addr);
  };
  size_t dash = range.find('-');
  auto from = number(range.substr(0, dash)), to = dash == std::string_view::npos ? from : number(range.substr(dash + 1));
  if (address.starts_with("::ffff:")) address.remove_prefix(7);
  auto it = number(address);
  if (!it || !from || !to) return address == range;
  return *from <= *it && *it <= *to;
}

}  // namespace tarn::account
