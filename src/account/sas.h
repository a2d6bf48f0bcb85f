#pragma once
// Shared access signatures: what is signed. Source: "Create an account SAS", "Create a service SAS", "Create a user delegation SAS".
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace tarn::account {

struct Sas {
  enum class Kind { kAccount, kService, kDelegation };
  Kind kind = Kind::kService;
  std::map<std::string, std::string> fields;     // the token's parameters: sv, sp, se, sig …

  // Of a query that has a signature; nullopt without one.
  static std::optional<Sas> of(const std::vector<std::pair<std::string, std::string>>& query);
  std::string get(const char* name) const;

  // What its maker signed. resource: "/blob/ACCOUNT/CONTAINER[/PATH]", not of account SAS. There is one text for each version of the layout
  // that the token may have been made with: a later layout only adds fields, so an earlier one is tried where those fields are absent.
  std::vector<std::string> strings_to_sign(std::string_view account, std::string_view resource, const http::Request& request) const;
  // The text under which a user delegation key is derived; the six fields of the key.
  static std::string delegation_key_text(const std::string& oid, const std::string& tid, const std::string& start, const std::string& expiry,
                                         const std::string& service, const std::string& version);
};

// "2020-01-02", "2020-01-02T03:04Z", with seconds and fractions of them. Milliseconds.
std::optional<int64_t> parse_sas_time(std::string_view text);
// "10.0.0.1" or "10.0.0.1-10.0.0.9", IPv4; an IPv6 address must be the same text.
bool in_ip_range(std::string_view address, std::string_view range);

}  // namespace tarn::account
