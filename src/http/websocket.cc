#include "http/websocket.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/encoding.h"
#include "http/rest_error.h"

namespace tarn::http {
namespace {

// The members of every field of this name, without the white space around them; empty ones are passed over (RFC 9110, 5.6.1).
std::vector<std::string> list_of(const Request& head, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& [n, value] : head.headers) {
    if (lower_ascii(n) != name) continue;
    for (size_t at = 0; at <= value.size();) {
      size_t end = std::min(value.find(',', at), value.size());
      std::string_view member = std::string_view(value).substr(at, end - at);
      while (!member.empty() && (member.front() == ' ' || member.front() == '\t')) member.remove_prefix(1);
      while (!member.empty() && (member.back() == ' ' || member.back() == '\t')) member.remove_suffix(1);
      if (!member.empty()) out.emplace_back(member);
      at = end + 1;
    }
  }
  return out;
}

bool names(const Request& head, std::string_view field, std::string_view wanted) {
  auto all = list_of(head, field);
  return std::any_of(all.begin(), all.end(), [&](const std::string& m) { return lower_ascii(m) == wanted; });
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || (c && std::strchr("!#$%&'*+-.^_`|~", c)); });
}

}  // namespace

bool wants_websocket(const Request& head) {
  if (!names(head, "upgrade", "websocket") || !names(head, "connection", "upgrade")) return false;
  if (head.method != "GET") throw malformed("A WebSocket begins with GET.");
  auto versions = list_of(head, "sec-websocket-version");
  if (versions != std::vector<std::string>{kWebSocketVersion}) throw RestError(426, "UPGRADE_REQUIRED", "Only version 13 of the WebSocket protocol is supported.");
  auto keys = list_of(head, "sec-websocket-key");
  auto key = keys.size() == 1 && keys[0].size() == 24 ? base64_decode(keys[0]) : std::nullopt;
  if (!key || key->size() != 16) throw malformed("Sec-WebSocket-Key is not 16 bytes in base64.");
  if (head.headers.find("Content-Length") || head.headers.find("Transfer-Encoding")) throw malformed("The opening of a WebSocket has no body.");
  return true;
}

std::vector<std::string> subprotocols_of(const Request& head) {
  auto offered = list_of(head, "sec-websocket-protocol");
  if (!std::all_of(offered.begin(), offered.end(), [](const std::string& p) { return is_token(p); })) throw malformed("Sec-WebSocket-Protocol is not a list of tokens.");
  return offered;
}

std::string choose_subprotocol(const Request& head) {
  auto offered = subprotocols_of(head);
  if (std::find(offered.begin(), offered.end(), kSubprotocol) != offered.end()) return kSubprotocol;
  for (const auto& p : offered) {
    if (p.starts_with(kBearerPrefix)) throw malformed(std::string("A token comes with the subprotocol ") + kSubprotocol + ".");
  }
  return "";
}

std::string bearer_of_subprotocols(const Request& head) {
  if (!head.upgrade) return "";
  for (const auto& p : subprotocols_of(head)) {
    if (p.starts_with(kBearerPrefix)) return p.substr(std::strlen(kBearerPrefix));
  }
  return "";
}

}  // namespace tarn::http
