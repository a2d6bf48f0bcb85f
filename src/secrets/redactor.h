#pragma once
// Takes the values of secrets that were given out, out of what is shown to those who got them.
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace tarn::secrets {

// Thread-safe. An audience is who has seen a value: "user/5", "cluster/1125-170233-ab12cd34". Each has its own values: else showing a text
// would tell everybody whether it is somebody's secret.
class Redactor {
 public:
  void revealed(const std::string& audience, const std::string& value);
  void forget(const std::string& audience);

  // What these audiences know, as it is now.
  class Values {
   public:
    std::string redact(std::string text) const;
    // Texts, names and numbers in it.
    void redact(nlohmann::json* json) const;
    bool empty() const { return values_.empty(); }
    // For text that comes in pieces: the longest beginning of it that may be shown before the rest has come, in bytes. No value reaches over
    // its end, neither a whole one nor one whose rest may follow: pieces that are cut there show what the whole would. ends: other than
    // NUL, the byte that it ends with ('\n': whole lines).
    size_t safe_prefix(std::string_view text, char ends = '\0') const;

   private:
    friend class Redactor;
    std::vector<std::string> values_;   // longest first
  };
  Values values(std::span<const std::string> audiences) const;

 private:
  mutable std::mutex mu_;
  std::map<std::string, std::vector<std::string>> known_;   // guarded by mu_
};

}  // namespace tarn::secrets
