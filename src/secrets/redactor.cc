#include "secrets/redactor.h"

#include <algorithm>

namespace tarn::secrets {
namespace {

constexpr std::string_view kShown = "[REDACTED]";

}  // namespace

void Redactor::revealed(const std::string& audience, const std::string& value) {
  if (value.empty()) return;
  std::lock_guard lock(mu_);
  auto& values = known_[audience];
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

void Redactor::forget(const std::string& audience) {
  std::lock_guard lock(mu_);
  known_.erase(audience);
}

Redactor::Values Redactor::values(std::span<const std::string> audiences) const {
  Values out;
  {
    std::lock_guard lock(mu_);
    for (const auto& a : audiences) {
      auto it = known_.find(a);
      if (it != known_.end()) out.values_.insert(out.values_.end(), it->second.begin(), it->second.end());
    }
  }
  std::sort(out.values_.begin(), out.values_.end(), [](const std::string& a, const std::string& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; });
  out.values_.erase(std::unique(out.values_.begin(), out.values_.end()), out.values_.end());
  return out;
}

std::string Redactor::Values::redact(std::string text) const {
  // One pass, the longest value first at each place: what was put in is never searched again.
  if (values_.empty()) return text;
  std::string out;
  size_t copied = 0;
  bool first[256] = {};
  for (const auto& v : values_) first[static_cast<unsigned char>(v[0])] = true;
  for (size_t at = 0; at < text.size();) {
    const std::string* found = nullptr;
    if (first[static_cast<unsigned char>(text[at])]) {
      for (const auto& v : values_) {
        if (text.compare(at, v.size(), v) == 0) {
          found = &v;
          break;
        }
      }
    }
    if (!found) {
      ++at;
      continue;
    }
    out.append(text, copied, at - copied).append(kShown);
    at += found->size();
    copied = at;
  }
  if (copied == 0) return text;
  return out.append(text, copied);
}

void Redactor::Values::redact(nlohmann::json* json) const {
  if (values_.empty()) return;
  if (json->is_string()) {
    *json = redact(json->get<std::string>());
  } else if (json->is_array()) {
    for (auto& v : *json) redact(&v);
  } else if (json->is_object()) {
    nlohmann::json out = nlohmann::json::object();
    for (auto it = json->begin(); it != json->end(); ++it) {
      nlohmann::json value = std::move(it.value());
      redact(&value);
      out[redact(it.key())] = std::move(value);
    }
    *json = std::move(out);
  } else if (json->is_number()) {
    std::string text = json->dump(), shown = redact(text);
    if (shown != text) *json = shown;
  }
}

size_t Redactor::Values::safe_prefix(std::string_view text, char ends) const {
  size_t at = 0, last = 0;   // last: behind the last byte of that kind which is in no value
  while (at < text.size()) {
    std::string_view rest = text.substr(at);
    size_t whole = 0;
    for (const auto& v : values_) {   // the longest first, as redact() takes them
      if (v.size() > rest.size() && std::string_view(v).starts_with(rest)) return ends ? last : at;
      if (!whole && rest.starts_with(v)) whole = v.size();
    }
    if (!whole && text[at] == ends) last = at + 1;
    at += whole ? whole : 1;
  }
  return ends ? last : at;
}

}  // namespace tarn::secrets
