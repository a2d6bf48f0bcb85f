#include "delta/log_segment.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/io_error.h"
#include "base/spark_error.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

std::optional<int64_t> digits(std::string_view text, size_t length) {
  if (text.size() != length) return std::nullopt;
  int64_t v = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (v > (INT64_MAX - 9) / 10) return std::nullopt;
    v = v * 10 + (c - '0');
  }
  return v;
}

std::string padded(int64_t version) {
  char buf[32];
  std::snprintf(buf, sizeof buf, "%020lld", static_cast<long long>(version));
  return buf;
}

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> out;
  for (size_t i = 0; i <= name.size();) {
    size_t end = std::min(name.find('.', i), name.size());
    out.push_back(name.substr(i, end - i));
    i = end + 1;
  }
  return out;
}

// Complete checkpoints of a listing, by version; of several of one version the best form: V2, then multi-part, then single.
std::map<int64_t, std::vector<LogFile>> complete_checkpoints(const std::vector<LogFile>& files, const std::set<std::string>& unusable) {
  std::map<int64_t, std::map<int, std::vector<LogFile>>> by_parts;  // version -> number of parts (0 single)
  std::map<int64_t, std::vector<LogFile>> out;
  for (const auto& f : files) {
    if (f.kind != LogFile::Kind::kCheckpoint || f.size == 0 || unusable.count(f.path)) continue;
    if (f.uuid_named) {
      out[f.version] = {f};
    } else {
      by_parts[f.version][f.parts].push_back(f);
    }
  }
  for (auto& [version, forms] : by_parts) {
    if (out.count(version)) continue;
    for (auto it = forms.rbegin(); it != forms.rend(); ++it) {
      auto& parts = it->second;
      if (it->first != 0 && static_cast<int>(parts.size()) != it->first) continue;
      std::sort(parts.begin(), parts.end(), [](const LogFile& a, const LogFile& b) { return a.part < b.part; });
      out[version] = parts;
      break;
    }
  }
  return out;
}

// A hint only: whatever is wrong with it, there is no hint.
std::optional<int64_t> last_checkpoint_hint(const std::string& table_path) {
  std::string path = log_directory(table_path) + "/_last_checkpoint";
  try {
    auto j = nlohmann::json::parse(storage::store_for(path).read(path));
    int64_t v = j.at("version").get<int64_t>();
    if (v >= 0) return v;
  } catch (const IoError&) {
  } catch (const nlohmann::json::exception&) {
  }
  return std::nullopt;
}

[[noreturn]] void fail_not_contiguous(const std::vector<int64_t>& versions, int64_t before, int64_t after, int64_t wanted) {
  std::string list;
  for (int64_t v : versions) list += (list.empty() ? "" : ", ") + std::to_string(v);
  throw SparkError(ErrorKind::kSpark, "DELTA_VERSIONS_NOT_CONTIGUOUS",
                   {{"versionList", list}, {"startVersion", std::to_string(before)}, {"endVersion", std::to_string(after)},
                    {"versionToLoad", std::to_string(wanted)}});
}

[[noreturn]] void fail_not_found(int64_t version, const std::vector<LogFile>& files, int64_t newest) {
  throw analysis_error("DELTA_VERSION_NOT_FOUND", {{"userVersion", std::to_string(version)},
                                                   {"earliest", std::to_string(earliest_version(files).value_or(0))}, {"latest", std::to_string(newest)}});
}

// Replaces runs of commits by compacted files that cover them exactly.
std::vector<LogFile> with_compaction(const std::vector<LogFile>& commits, const std::vector<LogFile>& files) {
  std::map<int64_t, LogFile> widest;  // first version -> compacted file
  for (const auto& f : files) {
    if (f.kind != LogFile::Kind::kCompacted) continue;
    auto [it, fresh] = widest.emplace(f.first_version, f);
    if (!fresh && f.version > it->second.version) it->second = f;
  }
  if (widest.empty() || commits.empty()) return commits;
  std::vector<LogFile> out;
  int64_t last = commits.back().version;
  for (size_t i = 0; i < commits.size();) {
    auto it = widest.find(commits[i].version);
    if (it != widest.end() && it->second.version <= last && it->second.version > it->second.first_version) {
      out.push_back(it->second);
      i += static_cast<size_t>(it->second.version - it->second.first_version + 1);
    } else {
      out.push_back(commits[i++]);
    }
  }
  return out;
}

}  // namespace

std::string log_directory(const std::string& table_path) { return storage::join(table_path, "_delta_log"); }
std::string commit_path(const std::string& table_path, int64_t version) { return log_directory(table_path) + "/" + padded(version) + ".json"; }

std::optional<LogFile> parse_log_name(const std::string& path) {
  auto parts = split(storage::file_name(path));
  if (parts.size() < 2) return std::nullopt;
  auto version = digits(parts[0], 20);
  if (!version) return std::nullopt;
  LogFile f;
  f.path = path;
  f.version = f.first_version = *version;
  if (parts.size() == 2 && parts[1] == "json") return f;
  if (parts.size() == 4 && parts[2] == "compacted" && parts[3] == "json") {
    auto last = digits(parts[1], 20);
    if (!last) return std::nullopt;
    f.kind = LogFile::Kind::kCompacted;
    f.version = *last;
    return f;
  }
  if (parts[1] != "checkpoint") return std::nullopt;
  f.kind = LogFile::Kind::kCheckpoint;
  if (parts.size() == 3 && parts[2] == "parquet") return f;
  if (parts.size() == 4 && (parts[3] == "parquet" || parts[3] == "json") && is_uuid(parts[2])) {
    f.uuid_named = true;
    return f;
  }
  if (parts.size() == 5 && parts[4] == "parquet") {
    auto part = digits(parts[2], 10), of = digits(parts[3], 10);
    if (!part || !of || *part < 1 || *part > *of) return std::nullopt;
    f.part = static_cast<int>(*part);
    f.parts = static_cast<int>(*of);
    return f;
  }
  return std::nullopt;
}

std::vector<LogFile> list_log(const std::string& table_path, int64_t from) {
  auto& store = storage::store_for(table_path);
  std::vector<storage::FileInfo> found;
  try {
    found = store.list(log_directory(table_path), padded(from));
  } catch (const IoError& e) {
    if (e.kind() != IoError::Kind::kNotFound) throw;
    if (!store.stat(table_path)) {
      throw analysis_error("PATH_NOT_FOUND", {{"path", storage::display_uri(table_path)}});
    }
  }
  std::vector<LogFile> out;
  for (auto& info : found) {
    if (info.is_directory) continue;
    auto f = parse_log_name(info.path);
    if (!f) continue;
    f->size = static_cast<int64_t>(info.size);
    f->modified_ms = info.modified_ms;
    f->tag = info.tag;
    out.push_back(std::move(*f));
  }
  if (out.empty() && from == 0) {
    throw analysis_error("DELTA_TABLE_NOT_FOUND", {{"tableName", quote_identifier(table_path)}});
  }
  return out;
}

std::optional<int64_t> earliest_version(const std::vector<LogFile>& files) {
  auto checkpoints = complete_checkpoints(files, {});
  std::optional<int64_t> first_commit;
  for (const auto& f : files) {
    if (f.kind == LogFile::Kind::kCommit && (!first_commit || f.version < *first_commit)) first_commit = f.version;
  }
  if (first_commit && *first_commit == 0) return 0;
  if (!checkpoints.empty()) return checkpoints.begin()->first;
  return std::nullopt;
}

LogSegment find_segment(const std::string& table_path, std::optional<int64_t> version, const std::set<std::string>& unusable) {
  int64_t from = last_checkpoint_hint(table_path).value_or(0);
  if (version && *version < from) from = 0;
  for (;;) {
    auto files = list_log(table_path, from);
    auto checkpoints = complete_checkpoints(files, unusable);
    std::vector<LogFile> commits;
    int64_t newest = -1;
    for (const auto& f : files) {
      if (f.kind == LogFile::Kind::kCommit) commits.push_back(f), newest = std::max(newest, f.version);
    }
    if (!checkpoints.empty()) newest = std::max(newest, checkpoints.rbegin()->first);
    int64_t target = version.value_or(newest);
    auto it = checkpoints.upper_bound(target);
    bool have_checkpoint = it != checkpoints.begin();
    if (from > 0 && !have_checkpoint) {  // the hint led nowhere
      from = 0;
      continue;
    }
    if (version && *version > newest) {
      fail_not_found(*version, from == 0 ? files : list_log(table_path, 0), newest);
    }
    LogSegment s;
    s.version = target;
    if (have_checkpoint) {
      --it;
      s.checkpoint_version = it->first;
      s.checkpoint = it->second;
    }
    int64_t next = s.checkpoint_version.value_or(-1) + 1;
    std::vector<LogFile> tail;
    std::vector<int64_t> seen;
    for (const auto& f : commits) {
      if (f.version == target) s.modified_ms = f.modified_ms, s.tag = f.tag;
      if (f.version < next || f.version > target) continue;
      tail.push_back(f);
      seen.push_back(f.version);
    }
    if (tail.empty() && !have_checkpoint && version) fail_not_found(*version, files, newest);
    for (size_t i = 0; i < tail.size(); ++i) {
      int64_t expected = next + static_cast<int64_t>(i);
      if (tail[i].version == expected) continue;
      if (i == 0 && !have_checkpoint) {
        if (version) fail_not_found(*version, files, newest);
        throw SparkError(ErrorKind::kSpark, "DELTA_TRUNCATED_TRANSACTION_LOG",
                         {{"path", commit_path(table_path, 0)}, {"version", std::to_string(target)},
                          {"logRetentionKey", "delta.logRetentionDuration"}, {"logRetention", "interval 30 days"},
                          {"checkpointRetentionKey", "delta.checkpointRetentionDuration"}, {"checkpointRetention", "interval 2 days"}});
      }
      fail_not_contiguous(seen, i == 0 ? next - 1 : tail[i - 1].version, tail[i].version, target);
    }
    if (next + static_cast<int64_t>(tail.size()) - 1 < target) fail_not_contiguous(seen, tail.empty() ? next - 1 : tail.back().version, target, target);
    s.commits = with_compaction(tail, files);
    return s;
  }
}

}  // namespace tarn::delta
