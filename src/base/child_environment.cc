#include "base/child_environment.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

namespace tarn {

bool is_harmless_variable(std::string_view name) {
  static constexpr std::string_view kNames[] = {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "LD_LIBRARY_PATH", "JAVA_HOME",
                                                "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy",
                                                "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "XDG_CACHE_HOME", "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"};
  return name.starts_with("LC_") || (name.starts_with("PIP_") && name.find("PASSWORD") == name.npos) ||
         std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

ChildEnvironment::ChildEnvironment(const Variables& own, const std::function<bool(std::string_view name)>& passes) {
  auto is_of = [](std::string_view variable, std::string_view name) { return variable.starts_with(name) && variable.size() > name.size() && variable[name.size()] == '='; };
  for (char** e = environ; e && *e; ++e) {
    std::string_view variable(*e);
    if (passes(variable.substr(0, variable.find('=')))) variables_.emplace_back(variable);
  }
  for (const auto& [name, value] : own) {
    std::erase_if(variables_, [&](const std::string& v) { return is_of(v, name); });
    variables_.push_back(name + "=" + value);
  }
  for (auto& v : variables_) pointers_.push_back(v.data());
  pointers_.push_back(nullptr);
}

}  // namespace tarn
