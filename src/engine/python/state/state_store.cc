#include "engine/python/state/state_store.h"

namespace tarn::engine::python_functions {

const MemoryStateStore::Family* MemoryStateStore::find(const std::string& family) const {
  auto it = families_.find(family);
  return it == families_.end() ? nullptr : &it->second;
}

std::optional<std::string> MemoryStateStore::get(const std::string& family, const std::string& key) const {
  auto* f = find(family);
  if (!f) return std::nullopt;
  auto it = f->find(key);
  return it == f->end() ? std::nullopt : std::optional(it->second);
}

void MemoryStateStore::put(const std::string& family, const std::string& key, std::string value) { families_[family][key] = std::move(value); }

void MemoryStateStore::remove(const std::string& family, const std::string& key) {
  auto it = families_.find(family);
  if (it != families_.end()) it->second.erase(key);
}

std::vector<StateStore::Entry> MemoryStateStore::scan(const std::string& family, const std::string& prefix, const std::string& end) const {
  std::vector<Entry> out;
  auto* f = find(family);
  if (!f) return out;
  for (auto it = f->lower_bound(prefix); it != f->end() && it->first.starts_with(prefix) && (end.empty() || it->first < end); ++it) out.push_back(*it);
  return out;
}

std::optional<StateStore::Entry> MemoryStateStore::last(const std::string& family, const std::string& prefix) const {
  auto* f = find(family);
  if (!f) return std::nullopt;
  // Keys go on with what encode() gives, and that never begins with 255.
  auto it = f->lower_bound(prefix + '\xff');
  if (it == f->begin()) return std::nullopt;
  --it;
  return it->first.starts_with(prefix) ? std::optional<Entry>(*it) : std::nullopt;
}

void MemoryStateStore::drop(const std::string& family) { families_.erase(family); }

}  // namespace tarn::engine::python_functions
