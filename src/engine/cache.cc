#include "engine/cache.h"

#include <algorithm>
#include <atomic>

#include "base/log.h"
#include "duckdb.hpp"
#include "engine/database.h"
#include "engine/plan_fingerprint.h"

namespace tarn::engine {

namespace {

std::atomic<uint64_t> next_table{1};

bool reads(const plan::LogicalPlan& p, const std::string& location) {
  if (auto* scan = plan::try_as<plan::Scan>(p)) {
    if (scan->relation->fingerprint().find(location) != std::string::npos) return true;
    for (const auto& f : scan->relation->input_files()) {
      if (f.find(location) != std::string::npos) return true;
    }
  }
  return std::any_of(p.children.begin(), p.children.end(), [&](const auto& c) { return reads(*c, location); });
}

}  // namespace

KeptTable::KeptTable(Database& database) : database_(database), name_("memory.main.kept_" + std::to_string(next_table++)) {}

KeptTable::~KeptTable() {
  try {
    auto result = database_.connect()->Query("DROP TABLE IF EXISTS " + name_);
    if (result->HasError()) log::warn("cache.drop_failed", {{"table", name_}, {"error", result->GetError()}});
  } catch (const std::exception& e) {
    log::warn("cache.drop_failed", {{"table", name_}, {"error", e.what()}});
  }
}

void CacheStore::add(const plan::PlanPtr& plan, const std::string& storage_level) {
  std::string key = plan_fingerprint(*plan, true);
  std::lock_guard lock(mu_);
  for (const auto& e : entries_) {
    if (e->key == key) return;
  }
  auto entry = std::make_shared<Entry>();
  entry->key = std::move(key);
  entry->plan = plan;
  entry->storage_level = storage_level;
  entries_.push_back(std::move(entry));
}

bool CacheStore::remove(const plan::PlanPtr& plan) {
  std::string key = plan_fingerprint(*plan, true);
  std::vector<std::shared_ptr<Entry>> gone;  // dropped after the lock
  std::lock_guard lock(mu_);
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if ((*it)->key != key) continue;
    gone.push_back(*it);
    entries_.erase(it);
    return true;
  }
  return false;
}

std::shared_ptr<CacheStore::Entry> CacheStore::find(const plan::LogicalPlan& plan) const {
  {
    // Most plans are not cached: compare roots before the whole text is made.
    std::lock_guard lock(mu_);
    bool candidate = std::any_of(entries_.begin(), entries_.end(), [&](const auto& e) {
      return e->plan->kind == plan.kind && e->plan->output.size() == plan.output.size() && e->plan->children.size() == plan.children.size();
    });
    if (!candidate) return nullptr;
  }
  std::string key = plan_fingerprint(plan, true);
  std::lock_guard lock(mu_);
  for (const auto& e : entries_) {
    if (e->key == key) return e;
  }
  return nullptr;
}

void CacheStore::clear() {
  std::vector<std::shared_ptr<Entry>> gone;
  std::lock_guard lock(mu_);
  gone.swap(entries_);
}

void CacheStore::invalidate(const std::string& location) {
  std::vector<std::shared_ptr<Entry>> gone;
  std::lock_guard lock(mu_);
  std::erase_if(entries_, [&](const auto& e) {
    if (!reads(*e->plan, location)) return false;
    gone.push_back(e);
    return true;
  });
}

bool CacheStore::empty() const {
  std::lock_guard lock(mu_);
  return entries_.empty();
}

std::vector<std::shared_ptr<CacheStore::Entry>> CacheStore::entries() const {
  std::lock_guard lock(mu_);
  return entries_;
}

std::string CacheStore::keep(std::shared_ptr<KeptTable> table) {
  std::lock_guard lock(mu_);
  std::string handle = table->name();
  tables_.emplace_back(handle, std::move(table));
  return handle;
}

std::shared_ptr<KeptTable> CacheStore::table(const std::string& handle) const {
  std::lock_guard lock(mu_);
  for (const auto& [h, t] : tables_) {
    if (h == handle) return t;
  }
  return nullptr;
}

void CacheStore::release(const std::string& handle) {
  std::shared_ptr<KeptTable> last;
  std::lock_guard lock(mu_);
  for (auto it = tables_.begin(); it != tables_.end(); ++it) {
    if (it->first != handle) continue;
    last = std::move(it->second);
    tables_.erase(it);
    return;
  }
}

}  // namespace tarn::engine
