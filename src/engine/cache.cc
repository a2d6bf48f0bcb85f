#include "engine/cache.h"

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "base/log.h"
#include "base/spark_error.h"
#include "duckdb.hpp"
#include "engine/cache_usage.h"
#include "engine/database.h"
#include "engine/plan_fingerprint.h"

namespace tarn::engine {

namespace {

std::atomic<uint64_t> next_table{1};

// The path itself or something below it, not "/t10" for "/t1".
bool mentions(const std::string& text, const std::string& path) {
  if (path.empty()) return false;
  for (size_t at = text.find(path); at != std::string::npos; at = text.find(path, at + 1)) {
    size_t end = at + path.size();
    if (path.back() == '/' || end == text.size()) return true;
    unsigned char next = static_cast<unsigned char>(text[end]);
    if (!std::isalnum(next) && next != '_' && next != '-' && next != '.' && next < 0x80) return true;
  }
  return false;
}

bool reads(const plan::PlanPtr& plan, const std::string& location) {
  bool found = false;
  plan::visit_plan(plan, [&](const plan::PlanPtr& p) {
    if (auto* scan = plan::try_as<plan::Scan>(*p)) found = found || mentions(scan->relation->fingerprint(), location);
    return !found;
  });
  return found;
}

bool contains(const plan::PlanPtr& plan, const plan::LogicalPlan& wanted, const std::string& key, const FingerprintContext& context) {
  bool found = false;
  plan::visit_plan(plan, [&](const plan::PlanPtr& p) {
    found = found || (may_be_equal(*p, wanted) && plan_fingerprint(*p, &context) == key);
    return !found;
  });
  return found;
}

}  // namespace

KeptTable::KeptTable(Database& database, const std::string& schema) : database_(database), name_(schema + ".kept_" + std::to_string(next_table++)) {}

KeptTable::~KeptTable() {
  try {
    auto result = database_.connect()->Query("DROP TABLE IF EXISTS " + name_);
    if (result->HasError()) log::warn("cache.drop_failed", {{"table", name_}, {"error", result->GetError()}});
  } catch (const std::exception& e) {
    log::warn("cache.drop_failed", {{"table", name_}, {"error", e.what()}});
  }
}

std::shared_ptr<KeptTable> CacheStore::new_table(const StorageLevel& level) {
  if (!level.disk_only()) return std::make_shared<KeptTable>(database_, "memory.main");
  std::call_once(attached_, [&] {
    std::filesystem::create_directories(spill_);
    std::string file = spill_ + "/kept.db";
    std::string quoted;
    for (char c : file) quoted += c == '\'' ? "\'\'" : std::string(1, c);
    auto result = database_.connect()->Query("ATTACH '" + quoted + "' AS kept_on_disk");
    if (result->HasError()) throw internal_error("the file of persisted data cannot be made: " + result->GetError());
  });
  return std::make_shared<KeptTable>(database_, "kept_on_disk.main");
}

// Takes entries out. Their tables are dropped by the caller's copy, after the lock.
template <class Condition> CacheStore::Entries CacheStore::take(Condition condition) {
  Entries gone;
  std::lock_guard lock(mu_);
  std::erase_if(entries_, [&](const auto& e) {
    if (!condition(*e)) return false;
    gone.push_back(e);
    return true;
  });
  return gone;
}

void CacheStore::add(const plan::PlanPtr& plan, StorageLevel level, const FingerprintContext& context) {
  if (level.none()) return;
  std::string key = plan_fingerprint(*plan, &context);
  std::lock_guard lock(mu_);
  for (const auto& e : entries_) {
    if (e->key != key) continue;
    e->sessions.insert(context.session);
    return;
  }
  auto entry = std::make_shared<Entry>();
  entry->key = std::move(key);
  entry->plan = plan;
  entry->level = level;
  entry->sessions = {context.session};
  entries_.push_back(std::move(entry));
}

bool CacheStore::remove(const plan::PlanPtr& plan, bool cascade, const FingerprintContext& context) {
  std::string key = plan_fingerprint(*plan, &context);
  return !take([&](const Entry& e) { return e.key == key || (cascade && contains(e.plan, *plan, key, context)); }).empty();
}

std::shared_ptr<CacheStore::Entry> CacheStore::find(const plan::LogicalPlan& plan, const FingerprintContext& context) const {
  {
    // Most plans are not cached: compare roots before the whole text is made.
    std::lock_guard lock(mu_);
    bool candidate = std::any_of(entries_.begin(), entries_.end(), [&](const auto& e) { return may_be_equal(*e->plan, plan); });
    if (!candidate) return nullptr;
  }
  std::string key = plan_fingerprint(plan, &context);
  std::lock_guard lock(mu_);
  for (const auto& e : entries_) {
    if (e->key == key) return e;
  }
  return nullptr;
}

void CacheStore::clear() {
  take([](const Entry&) { return true; });
}

void CacheStore::forget(const std::string& location) {
  take([&](const Entry& e) { return reads(e.plan, location); });
}

void CacheStore::refresh(const std::string& location) {
  Entries all;
  {
    std::lock_guard lock(mu_);
    all = entries_;
  }
  for (const auto& e : all) {
    if (!reads(e->plan, location)) continue;
    std::shared_ptr<KeptTable> old;  // dropped after the lock
    // Who is filling it now reads either the old or the new data, and notices on the next use.
    std::unique_lock lock(e->filling, std::try_to_lock);
    if (!lock) continue;
    old = std::move(e->table);
    e->table = nullptr;
    e->filled_with.clear();
  }
}

void CacheStore::end_session(const std::string& session) {
  take([&](Entry& e) { return e.sessions.erase(session) > 0 && e.sessions.empty(); });
}

bool CacheStore::empty() const {
  std::lock_guard lock(mu_);
  return entries_.empty() && checkpoints_.empty();
}

CacheUsage CacheStore::usage() const {
  CacheUsage out;
  Entries entries;
  std::vector<std::shared_ptr<Checkpoint>> checkpoints;
  {
    std::lock_guard lock(mu_);
    entries = entries_;
    for (const auto& [handle, c] : checkpoints_) checkpoints.push_back(c);
  }
  out.relations = entries.size();
  out.checkpoints = checkpoints.size();
  for (const auto& e : entries) {
    // Who is being filled is not there yet.
    std::unique_lock lock(e->filling, std::try_to_lock);
    if (lock && e->table && !e->filled_with.empty()) ++out.materialized;
  }
  auto connection = database_.connect();
  auto number = [&](const std::string& sql) -> uint64_t {
    auto result = connection->Query(sql);
    if (result->HasError()) {
      log::warn("cache.usage_unknown", {{"error", result->GetError()}});
      return 0;
    }
    auto value = result->GetValue(0, 0);
    return value.IsNull() ? 0 : value.GetValue<uint64_t>();
  };
  out.rows = number("SELECT sum(estimated_size)::UBIGINT FROM duckdb_tables() WHERE table_name LIKE 'kept\\_%' ESCAPE '\\'");
  out.memory_bytes = number("SELECT sum(memory_usage_bytes)::UBIGINT FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'");
  out.disk_bytes = number("SELECT sum(temporary_storage_bytes)::UBIGINT FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'");
  for (const char* file : {"/kept.db", "/kept.db.wal"}) {
    std::error_code ec;
    auto size = std::filesystem::file_size(spill_ + file, ec);
    if (!ec) out.disk_bytes += size;
  }
  return out;
}

std::string CacheStore::keep(std::shared_ptr<Checkpoint> checkpoint) {
  std::string handle = checkpoint->table->name();
  std::lock_guard lock(mu_);
  checkpoints_[handle] = std::move(checkpoint);
  return handle;
}

std::shared_ptr<Checkpoint> CacheStore::checkpoint(const std::string& handle) const {
  std::lock_guard lock(mu_);
  auto it = checkpoints_.find(handle);
  return it == checkpoints_.end() ? nullptr : it->second;
}

void CacheStore::release(const std::string& handle) {
  std::shared_ptr<Checkpoint> last;  // dropped after the lock
  std::lock_guard lock(mu_);
  auto it = checkpoints_.find(handle);
  if (it == checkpoints_.end()) return;
  last = std::move(it->second);
  checkpoints_.erase(it);
}

}  // namespace tarn::engine
