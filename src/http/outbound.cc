#include "http/outbound.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>

#include "base/encoding.h"
#include "http/rest_error.h"

namespace tarn::http {
namespace {

RestError refused(const std::string& url) {
  return {400, "INVALID_PARAMETER_VALUE", "The server does not go to " + url.substr(0, 200) + ": the host is not allowed (allowed-hosts)."};
}

// Loopback, link-local, private, shared, multicast and reserved addresses.
bool is_private(const in_addr& a) {
  uint32_t v = ntohl(a.s_addr);
  auto in = [&](uint32_t net, int bits) { return v >> (32 - bits) == net >> (32 - bits); };
  return in(0x00000000, 8) || in(0x0A000000, 8) || in(0x64400000, 10) || in(0x7F000000, 8) || in(0xA9FE0000, 16) || in(0xAC100000, 12) || in(0xC0000000, 24) ||
         in(0xC0A80000, 16) || in(0xC6120000, 15) || in(0xE0000000, 4) || in(0xF0000000, 4);
}

bool is_private(const in6_addr& a) {
  if (IN6_IS_ADDR_V4MAPPED(&a)) {
    in_addr v4;
    std::copy_n(a.s6_addr + 12, 4, reinterpret_cast<unsigned char*>(&v4.s_addr));
    return is_private(v4);
  }
  bool global = (a.s6_addr[0] & 0xE0) == 0x20;   // 2000::/3
  return !global || (a.s6_addr[0] == 0x20 && a.s6_addr[1] == 0x02);   // 6to4 can hold any IPv4 address
}

}  // namespace

Url parse_url(const std::string& text) {
  auto bad = [&] { return invalid_parameter("'" + text.substr(0, 200) + "' is not a URL."); };
  bool plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F && c != '\\'; });
  size_t colon = text.find("://");
  if (!plain || text.size() > 2048 || colon == std::string::npos || colon == 0) throw bad();
  Url u;
  u.scheme = lower_ascii(text.substr(0, colon));
  size_t start = colon + 3, end = std::min(text.find_first_of("/?#", start), text.size());
  std::string authority = text.substr(start, end - start);
  u.path = text.substr(end);
  if (size_t at = authority.rfind('@'); at != std::string::npos) {
    u.has_user = true;
    authority = authority.substr(at + 1);
  }
  std::string port;
  if (authority.starts_with('[')) {
    size_t close = authority.find(']');
    if (close == std::string::npos) throw bad();
    u.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    size_t p = authority.find(':');
    u.host = authority.substr(0, p);
    port = p == std::string::npos ? "" : authority.substr(p);
  }
  u.host = lower_ascii(u.host);
  if (u.host.ends_with('.')) u.host.pop_back();
  bool name = !u.host.empty() && std::all_of(u.host.begin(), u.host.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' || c == ':'; });
  if (!name) throw bad();
  u.port = u.scheme == "https" ? 443 : u.scheme == "http" ? 80 : 0;
  if (!port.empty()) {
    if (port.size() < 2 || port.size() > 6 || port[0] != ':' || !std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; })) throw bad();
    u.port = std::stoi(port.substr(1));
  }
  return u;
}

OutboundPolicy::OutboundPolicy(const std::string& hosts) {
  for (size_t at = 0; at <= hosts.size();) {
    size_t end = std::min(hosts.find(',', at), hosts.size());
    std::string one = lower_ascii(hosts.substr(at, end - at));
    at = end + 1;
    one.erase(std::remove_if(one.begin(), one.end(), [](char c) { return std::isspace(static_cast<unsigned char>(c)); }), one.end());
    if (one.empty()) continue;
    Host h;
    if (one.starts_with("*.")) h.below = true, one = one.substr(2);
    size_t colon = one.rfind(':');
    if (one.starts_with('[')) {
      size_t close = one.find(']');
      h.name = one.substr(1, close == std::string::npos ? close : close - 1);
      if (colon != std::string::npos && close != std::string::npos && colon > close) h.port = std::atoi(one.c_str() + colon + 1);
    } else {
      h.name = one.substr(0, colon);
      if (colon != std::string::npos) h.port = std::atoi(one.c_str() + colon + 1);
    }
    hosts_.push_back(std::move(h));
  }
}

Url OutboundPolicy::require(const std::string& text) const {
  Url u = parse_url(text);
  if ((u.scheme != "https" && u.scheme != "http") || u.has_user) throw refused(text);
  bool named = false, allowed = false;
  for (const auto& h : hosts_) {
    if (h.port != 0 && h.port != u.port) continue;
    if (!h.below && h.name == u.host) named = allowed = true;
    if (h.below && u.host.ends_with("." + h.name)) allowed = true;
  }
  if (!allowed) throw refused(text);
  if (named) return u;
  if (u.scheme != "https") throw refused(text);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(u.host.c_str(), nullptr, &hints, &found) != 0) throw invalid_parameter("The host " + u.host + " is not known.");
  bool inside = false;
  for (addrinfo* a = found; a; a = a->ai_next) {
    if (a->ai_family == AF_INET) inside |= is_private(reinterpret_cast<sockaddr_in*>(a->ai_addr)->sin_addr);
    else if (a->ai_family == AF_INET6) inside |= is_private(reinterpret_cast<sockaddr_in6*>(a->ai_addr)->sin6_addr);
    else inside = true;
  }
  ::freeaddrinfo(found);
  if (inside) throw refused(text);
  return u;
}

}  // namespace tarn::http
