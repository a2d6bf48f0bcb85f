#include "base/encoding.h"
#include "http/websocket.h"
#include "identity/families.h"

namespace tarn::identity {
namespace {

// The token of the request, "" for a header that has none; nullopt if none was sent.
std::optional<std::string> token_of(const http::Request& request) {
  if (const std::string* header = request.headers.find("Authorization")) {
    std::string scheme = lower_ascii(header->substr(0, header->find(' ')));
    if (header->size() <= scheme.size() + 1) return "";
    if (scheme == "bearer") return header->substr(7);
    if (scheme != "basic") return "";
    auto pair = base64_decode(std::string_view(*header).substr(6));
    return pair && pair->starts_with("token:") ? pair->substr(6) : "";
  }
  std::string token = http::bearer_of_subprotocols(request);
  return token.empty() ? std::nullopt : std::optional(token);
}

}  // namespace

std::optional<http::Principal> authenticate(const http::Request& request, Credentials& credentials, WebSessions& sessions, const Directory& directory) {
  if (auto token = token_of(request)) {
    auto owner = credentials.owner_of(*token);
    return owner ? directory.principal(*owner) : std::nullopt;
  }
  std::string value = session_of(request);
  if (value.empty()) return std::nullopt;
  auto session = sessions.find(value, !request.recheck);
  auto caller = session ? directory.principal(session->owner) : std::nullopt;
  if (!caller) return std::nullopt;
  require_own_page(request, value);
  caller->session = session->id;
  return caller;
}

}  // namespace tarn::identity
