#pragma once
// Conditional headers (RFC 9110, 13) as the storage services apply them.
#include <cstdint>
#include <optional>
#include <string>

#include "http/message.h"

namespace tarn::account {

struct Conditions {
  std::string if_match, if_none_match;                   // "" if missing; "*" or an entity tag
  std::optional<int64_t> if_modified_since, if_unmodified_since;   // milliseconds

  // prefix "" for the resource itself, "x-ms-source-" for the source of a copy or rename. StorageError InvalidHeaderValue.
  static Conditions of(const http::Headers& headers, const std::string& prefix = "");
  bool empty() const { return if_match.empty() && if_none_match.empty() && !if_modified_since && !if_unmodified_since; }

  // StorageError NotModified (304) or ConditionNotMet (412).
  void check_read(const std::string& etag, int64_t modified_ms) const;
  // etag null: there is nothing yet. StorageError ConditionNotMet, or PathAlreadyExists where If-None-Match: * met something.
  void check_write(const std::string* etag, int64_t modified_ms) const;
  // Of a source: SourceConditionNotMet.
  void check_source(const std::string& etag, int64_t modified_ms) const;

 private:
  bool holds(const std::string& etag, int64_t modified_ms, bool* read_only_miss) const;
};

}  // namespace tarn::account
