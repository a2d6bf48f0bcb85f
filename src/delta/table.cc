#include "delta/table.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <set>

#include "base/io_error.h"
#include "base/log.h"
#include "base/spark_error.h"
#include "delta/table_features.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

constexpr size_t kRecentSnapshots = 4;

std::optional<CommitInfo> commit_info_of(const std::string& path) {
  for (auto& a : parse_actions(storage::store_for(path).read(path), path)) {
    if (auto* c = std::get_if<CommitInfo>(&a)) return std::move(*c);
  }
  return std::nullopt;
}

// Commits of a listing with the times that time travel uses: in-commit timestamps where the table has them, else modification times made
// strictly increasing.
struct TimedCommit {
  int64_t version;
  int64_t timestamp_ms;
};
std::vector<TimedCommit> timed_commits(const Snapshot& latest, const std::vector<LogFile>& files) {
  bool in_commit = latest.protocol().supports("inCommitTimestamp") && latest.metadata().flag("delta.enableInCommitTimestamps");
  std::string since = latest.metadata().property("delta.inCommitTimestampEnablementVersion");
  int64_t first_in_commit = !in_commit ? INT64_MAX : since.empty() ? 0 : std::atoll(since.c_str());
  std::vector<TimedCommit> out;
  for (const auto& f : files) {
    if (f.kind != LogFile::Kind::kCommit) continue;
    int64_t t = f.modified_ms;
    if (f.version >= first_in_commit) {
      auto info = commit_info_of(f.path);
      if (info && info->in_commit_timestamp) t = *info->in_commit_timestamp;
    } else if (!out.empty() && t <= out.back().timestamp_ms) {
      t = out.back().timestamp_ms + 1;
    }
    out.push_back({f.version, t});
  }
  return out;
}

}  // namespace

std::string format_timestamp(int64_t ms) {
  std::time_t seconds = ms / 1000;
  int64_t rest = ms % 1000;
  if (rest < 0) rest += 1000, --seconds;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char buf[64];
  size_t n = std::strftime(buf, sizeof buf, "%Y-%m-%d %H:%M:%S", &tm);
  std::string out(buf, n);
  if (rest == 0) return out + ".0";
  std::snprintf(buf, sizeof buf, ".%03d", static_cast<int>(rest));
  out += buf;
  while (out.back() == '0') out.pop_back();
  return out;
}

std::shared_ptr<Table> Table::at(const std::string& path) {
  static std::mutex mu;
  static auto& all = *new std::map<std::string, std::shared_ptr<Table>>;  // guarded by mu; one small object per path seen
  std::string normal = storage::normalize(path);
  std::lock_guard lock(mu);
  auto& t = all[normal];
  if (!t) t.reset(new Table(normal));
  return t;
}

bool Table::exists(const std::string& path) {
  std::string normal = storage::normalize(path);
  auto& store = storage::store_for(normal);
  try {
    for (auto& f : store.list(log_directory(normal))) {
      if (!f.is_directory && parse_log_name(f.path)) return true;
    }
  } catch (const IoError& e) {
    if (e.kind() != IoError::Kind::kNotFound) throw;
  }
  return false;
}

std::shared_ptr<const Snapshot> Table::load(std::optional<int64_t> version) {
  // A damaged checkpoint is no loss while an older one or all commits are there.
  std::set<std::string> unusable;
  std::optional<std::string> first_error;
  for (;;) {
    LogSegment segment;
    try {
      segment = find_segment(path_, version, unusable);
    } catch (const SparkError&) {
      if (first_error) throw internal_error(*first_error);
      throw;
    }
    try {
      return Snapshot::load(path_, segment);
    } catch (const IoError& e) {
      if (segment.checkpoint.empty()) throw;
      log::warn("delta.checkpoint_unreadable", {{"table", path_}, {"version", std::to_string(*segment.checkpoint_version)}, {"error", e.what()}});
      if (!first_error) first_error = e.what();
      for (const auto& part : segment.checkpoint) unusable.insert(part.path);
    }
  }
}

std::shared_ptr<const Snapshot> Table::snapshot() {
  std::shared_ptr<const Snapshot> known;
  {
    std::lock_guard lock(mu_);
    known = latest_;
  }
  std::shared_ptr<const Snapshot> fresh;
  if (known) {
    // Only the tail of the log is listed. If the commit that we know is not the same file any more, the table was replaced.
    auto files = list_log(path_, known->version());
    bool same = false;
    LogSegment tail;
    tail.version = known->version();
    for (const auto& f : files) {
      if (f.kind != LogFile::Kind::kCommit) continue;
      if (f.version == known->version()) {
        same = known->is_commit(f.modified_ms, f.tag);
      } else if (f.version == tail.version + 1) {
        tail.commits.push_back(f);
        tail.version = f.version;
        tail.modified_ms = f.modified_ms;
        tail.tag = f.tag;
      } else {
        same = false;
        break;
      }
    }
    if (same) fresh = tail.commits.empty() ? known : known->advance(tail);
  }
  if (!fresh) fresh = load(std::nullopt);
  check_readable(fresh->protocol(), fresh->metadata(), path_);
  remember(fresh);
  return fresh;
}

void Table::remember(std::shared_ptr<const Snapshot> snapshot) {
  std::lock_guard lock(mu_);
  latest_ = std::move(snapshot);
}

std::shared_ptr<const Snapshot> Table::snapshot_at(int64_t version) {
  auto latest = snapshot();  // a table that cannot be read now cannot be read as it was
  if (version == latest->version()) return latest;
  {
    std::lock_guard lock(mu_);
    for (const auto& s : recent_) {
      if (s->version() == version) {
        // The table may have been deleted and made anew since: the commit must still be the same file.
        auto info = storage::store_for(path_).stat(commit_path(path_, version));
        if (info && s->is_commit(info->modified_ms, info->tag)) return s;
      }
    }
  }
  if (version < 0) {
    throw analysis_error("DELTA_VERSION_NOT_FOUND", {{"userVersion", std::to_string(version)}, {"earliest", std::to_string(earliest_version().value_or(0))},
                                                     {"latest", std::to_string(latest->version())}});
  }
  auto s = load(version);
  check_readable(s->protocol(), s->metadata(), path_);
  std::lock_guard lock(mu_);
  recent_.erase(std::remove_if(recent_.begin(), recent_.end(), [&](const auto& r) { return r->version() == version; }), recent_.end());
  recent_.push_back(s);
  if (recent_.size() > kRecentSnapshots) recent_.erase(recent_.begin());
  return s;
}

int64_t Table::version_at(int64_t timestamp_ms, const std::string& shown, bool clamp) {
  auto latest = snapshot();
  auto files = list_log(path_, 0);
  auto earliest = delta::earliest_version(files);
  auto commits = timed_commits(*latest, files);
  commits.erase(std::remove_if(commits.begin(), commits.end(), [&](const TimedCommit& c) { return earliest && c.version < *earliest; }), commits.end());
  if (commits.empty()) throw analysis_error("DELTA_NO_COMMITS_FOUND", {{"logPath", log_directory(path_)}});
  if (timestamp_ms < commits.front().timestamp_ms) {
    std::string first = format_timestamp(commits.front().timestamp_ms);
    throw analysis_error("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION", {{"userTimestamp", shown}, {"commitTs", first}, {"timestampString", first}});
  }
  if (timestamp_ms > commits.back().timestamp_ms && !clamp) {
    std::string last = format_timestamp(commits.back().timestamp_ms);
    throw analysis_error("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", {{"providedTimestamp", shown}, {"lastCommitTimestamp", last}, {"maximumTimestamp", last}});
  }
  int64_t version = commits.front().version;
  for (const auto& c : commits) {
    if (c.timestamp_ms <= timestamp_ms) version = c.version;
  }
  return version;
}

std::vector<HistoryEntry> Table::history(size_t limit) {
  snapshot();
  auto files = list_log(path_, 0);
  std::vector<HistoryEntry> out;
  for (auto it = files.rbegin(); it != files.rend() && (limit == 0 || out.size() < limit); ++it) {
    if (it->kind != LogFile::Kind::kCommit) continue;
    HistoryEntry e;
    e.version = it->version;
    e.timestamp_ms = it->modified_ms;
    if (auto info = commit_info_of(it->path)) {
      e.info = std::move(*info);
      if (e.info.in_commit_timestamp) e.timestamp_ms = *e.info.in_commit_timestamp;
    }
    out.push_back(std::move(e));
  }
  return out;
}

std::vector<Table::Commit> Table::commits(int64_t from, int64_t to) {
  std::vector<Commit> out;
  auto files = list_log(path_, from);
  int64_t next = from;
  for (const auto& f : files) {
    if (f.kind != LogFile::Kind::kCommit || f.version > to) continue;
    if (f.version != next) {
      throw SparkError(ErrorKind::kSpark, "DELTA_VERSIONS_NOT_CONTIGUOUS",
                       {{"versionList", std::to_string(next - 1) + ", " + std::to_string(f.version)}, {"startVersion", std::to_string(next - 1)},
                        {"endVersion", std::to_string(f.version)}, {"versionToLoad", std::to_string(to)}});
    }
    ++next;
    Commit c{f.version, f.modified_ms, parse_actions(storage::store_for(f.path).read(f.path), f.path)};
    for (auto& a : c.actions) {
      auto* info = std::get_if<CommitInfo>(&a);
      if (info && info->in_commit_timestamp) c.timestamp_ms = *info->in_commit_timestamp;
    }
    out.push_back(std::move(c));
  }
  return out;
}

std::optional<int64_t> Table::earliest_version() { return delta::earliest_version(list_log(path_, 0)); }

}  // namespace tarn::delta
