#include "account/shared_key.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"

namespace tarn::account {
namespace {

// Characters that header names may have, from the lightest to the heaviest; upper case letters weigh as lower case ones.
constexpr std::string_view kWeights = "!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz";

size_t weight(char c) {
  if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  size_t at = kWeights.find(c);
  return at == std::string_view::npos ? 0 : at + 1;  // 0: passed over
}

std::string_view trimmed(std::string_view s) {
  size_t a = s.find_first_not_of(" \t\r\n"), b = s.find_last_not_of(" \t\r\n");
  return a == std::string_view::npos ? std::string_view() : s.substr(a, b - a + 1);
}

std::string canonical_query(const http::Request& request, bool plus_is_space) {
  std::map<std::string, std::vector<std::string>> values;
  for (auto& [name, value] : http::decoded_query(request.target, plus_is_space).value_or(Query{})) values[lower_ascii(name)].push_back(std::move(value));
  std::string out;
  for (auto& [name, list] : values) {
    std::sort(list.begin(), list.end());
    out += "\n" + name + ":";
    for (size_t i = 0; i < list.size(); ++i) out += (i ? "," : "") + list[i];
  }
  return out;
}

}  // namespace

bool same_signature(std::string_view a, std::string_view b) { return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

bool header_before(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  for (;;) {
    while (i < a.size() && weight(a[i]) == 0) ++i;
    while (j < b.size() && weight(b[j]) == 0) ++j;
    if (i == a.size() || j == b.size()) break;
    size_t x = weight(a[i++]), y = weight(b[j++]);
    if (x != y) return x < y;
  }
  if (i != a.size() || j != b.size()) return j != b.size();
  // The same but for hyphens: the first name that has one where the other has none comes later.
  for (size_t k = 0; k < a.size() && k < b.size(); ++k) {
    bool x = a[k] == '-', y = b[k] == '-';
    if (x != y) return y;
  }
  return a.size() < b.size();
}

std::string canonical_headers(const http::Headers& headers) {
  std::vector<std::pair<std::string, std::string>> ours;
  for (const auto& [name, value] : headers) {
    std::string folded = lower_ascii(name);
    if (!folded.starts_with("x-ms-")) continue;
    auto it = std::find_if(ours.begin(), ours.end(), [&](const auto& o) { return o.first == folded; });
    if (it != ours.end()) it->second += "," + std::string(trimmed(value));
    else ours.emplace_back(folded, trimmed(value));
  }
  std::sort(ours.begin(), ours.end(), [](const auto& a, const auto& b) { return header_before(a.first, b.first); });
  std::string out;
  for (const auto& [name, value] : ours) out += name + ":" + value + "\n";
  return out;
}

std::string string_to_sign(const http::Request& request, std::string_view account, bool plus_is_space) {
  static constexpr const char* kStandard[] = {"Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date",
                                              "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"};
  std::string out = request.method + "\n";
  for (std::string_view name : kStandard) {
    std::string value = request.headers.get(name);
    if (name == "Content-Length" && value == "0") value.clear();
    if (name == "Date" && request.headers.find("x-ms-date")) value.clear();
    out += std::string(trimmed(value)) + "\n";
  }
  return out + canonical_headers(request.headers) + "/" + std::string(account) + request.path + canonical_query(request, plus_is_space);
}

std::string string_to_sign_lite(const http::Request& request, std::string_view account) {
  std::string date = request.headers.find("x-ms-date") ? "" : request.headers.get("Date");
  std::string out = request.method + "\n" + request.headers.get("Content-MD5") + "\n" + request.headers.get("Content-Type") + "\n" + date + "\n";
  out += canonical_headers(request.headers) + "/" + std::string(account) + request.path;
  for (const auto& [name, value] : http::decoded_query(request.target, false).value_or(Query{})) {
    if (lower_ascii(name) == "comp") out += "?comp=" + value;
  }
  return out;
}

}  // namespace tarn::account
