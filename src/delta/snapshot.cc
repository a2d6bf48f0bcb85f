#include "delta/snapshot.h"

#include <algorithm>

#include "base/spark_error.h"
#include "delta/checkpoint.h"
#include "storage/parallel.h"
#include "storage/path.h"

namespace tarn::delta {

void Snapshot::apply(Action action) {
  if (auto* add = std::get_if<AddFile>(&action)) {
    std::string key = file_key(add->path, add->deletion_vector);
    removed_.erase(key);
    auto file = std::make_shared<const AddFile>(std::move(*add));
    auto [it, fresh] = live_.try_emplace(std::move(key), Live{next_order_, file});
    if (!fresh) it->second.file = file;  // the same logical file again (new statistics or tags): it keeps its place
    ++next_order_;
  } else if (auto* remove = std::get_if<RemoveFile>(&action)) {
    std::string key = file_key(remove->path, remove->deletion_vector);
    live_.erase(key);
    removed_[key] = std::make_shared<const RemoveFile>(std::move(*remove));
  } else if (auto* m = std::get_if<Metadata>(&action)) {
    metadata_ = std::move(*m);
    has_metadata_ = true;
  } else if (auto* p = std::get_if<Protocol>(&action)) {
    protocol_ = std::move(*p);
    has_protocol_ = true;
  } else if (auto* t = std::get_if<SetTransaction>(&action)) {
    std::string id = t->app_id;
    transactions_[id] = std::move(*t);
  } else if (auto* d = std::get_if<DomainMetadata>(&action)) {
    std::string name = d->domain;
    if (d->removed) {
      domains_.erase(name);
    } else {
      domains_[name] = std::move(*d);
    }
  } else if (auto* c = std::get_if<CommitInfo>(&action)) {
    in_commit_timestamp_ = c->in_commit_timestamp;
  }
}

void Snapshot::apply_commits(const LogSegment& segment) {
  std::vector<std::string> paths;
  for (const auto& c : segment.commits) paths.push_back(c.path);
  storage::WholeFiles files(storage::store_for(table_path_), std::move(paths));
  for (const auto& commit : segment.commits) {
    in_commit_timestamp_.reset();
    auto actions = parse_actions(files.next(), commit.path);
    // Within one commit order carries no meaning: a remove and an add of one path stand for a replacement, never the reverse.
    for (auto& a : actions) {
      if (std::holds_alternative<RemoveFile>(a)) apply(std::move(a));
    }
    for (auto& a : actions) {
      if (!std::holds_alternative<RemoveFile>(a)) apply(std::move(a));
    }
  }
}

void Snapshot::finish() {
  auto missing = [&](const char* what) {
    return SparkError(ErrorKind::kSpark, "DELTA_STATE_RECOVER_ERROR", {{"operation", what}, {"version", std::to_string(version_)}});
  };
  if (!has_protocol_) throw missing("protocol");
  if (!has_metadata_) throw missing("metadata");
  schema_ = parse_schema(metadata_.schema_string);
  std::vector<const Live*> ordered;
  ordered.reserve(live_.size());
  for (const auto& [key, live] : live_) ordered.push_back(&live);
  std::sort(ordered.begin(), ordered.end(), [](const Live* a, const Live* b) { return a->order < b->order; });
  files_.clear();
  files_.reserve(ordered.size());
  for (const Live* l : ordered) files_.push_back(l->file);
  if (protocol_.supports("inCommitTimestamp") && metadata_.flag("delta.enableInCommitTimestamps")) {
    // The newest commit may be behind a checkpoint or inside a compacted file; its own file tells.
    if (!in_commit_timestamp_) {
      std::string path = commit_path(table_path_, version_);
      auto& store = storage::store_for(path);
      if (store.stat(path)) {
        for (auto& a : parse_actions(store.read(path), path)) {
          if (auto* c = std::get_if<CommitInfo>(&a)) in_commit_timestamp_ = c->in_commit_timestamp;
        }
      }
    }
  } else {
    in_commit_timestamp_.reset();
  }
  timestamp_ms_ = in_commit_timestamp_.value_or(commit_modified_ms_);
}

std::shared_ptr<const Snapshot> Snapshot::load(const std::string& table_path, const LogSegment& segment) {
  std::shared_ptr<Snapshot> s(new Snapshot);
  s->table_path_ = table_path;
  s->version_ = segment.version;
  s->commit_modified_ms_ = segment.modified_ms;
  s->commit_tag_ = segment.tag;
  s->checkpoint_version_ = segment.checkpoint_version;
  if (!segment.checkpoint.empty()) read_checkpoint(table_path, segment.checkpoint, [&](Action a) { s->apply(std::move(a)); });
  s->apply_commits(segment);
  s->finish();
  return s;
}

std::shared_ptr<const Snapshot> Snapshot::advance(const LogSegment& segment) const {
  std::shared_ptr<Snapshot> s(new Snapshot(*this));
  s->version_ = segment.version;
  s->commit_modified_ms_ = segment.modified_ms;
  s->commit_tag_ = segment.tag;
  s->apply_commits(segment);
  s->finish();
  return s;
}

std::optional<std::string> Snapshot::domain(const std::string& name) const {
  auto it = domains_.find(name);
  return it == domains_.end() ? std::nullopt : std::optional(it->second.configuration);
}

std::vector<std::shared_ptr<const RemoveFile>> Snapshot::tombstones() const {
  std::vector<std::shared_ptr<const RemoveFile>> out;
  for (const auto& [key, r] : removed_) out.push_back(r);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a->path < b->path; });
  return out;
}

int64_t Snapshot::size_in_bytes() const {
  int64_t total = 0;
  for (const auto& f : files_) total += f->size;
  return total;
}

}  // namespace tarn::delta
