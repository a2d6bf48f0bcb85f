#pragma once
// Where the state of a stateful operator lies: families of sorted keys with a value each. A batch query keeps it in memory and forgets it;
// a streaming query gives its processors a store that is loaded from the checkpoint and committed with each batch.
// Source: what TransformWithState asks of org.apache.spark.sql.execution.streaming.state.StateStore.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tarn::engine::python_functions {

// Used by one thread.
class StateStore {
 public:
  using Entry = std::pair<std::string, std::string>;   // key, value
  virtual ~StateStore() = default;
  virtual std::optional<std::string> get(const std::string& family, const std::string& key) const = 0;
  virtual void put(const std::string& family, const std::string& key, std::string value) = 0;
  virtual void remove(const std::string& family, const std::string& key) = 0;
  // The entries, as they are now, whose keys begin with the prefix and come before `end` (empty: all), by the bytes of their keys.
  virtual std::vector<Entry> scan(const std::string& family, const std::string& prefix, const std::string& end = {}) const = 0;
  // The last of scan(family, prefix).
  virtual std::optional<Entry> last(const std::string& family, const std::string& prefix) const = 0;
  virtual void drop(const std::string& family) = 0;
};

class MemoryStateStore : public StateStore {
 public:
  std::optional<std::string> get(const std::string& family, const std::string& key) const override;
  void put(const std::string& family, const std::string& key, std::string value) override;
  void remove(const std::string& family, const std::string& key) override;
  std::vector<Entry> scan(const std::string& family, const std::string& prefix, const std::string& end) const override;
  std::optional<Entry> last(const std::string& family, const std::string& prefix) const override;
  void drop(const std::string& family) override;

 private:
  using Family = std::map<std::string, std::string>;
  const Family* find(const std::string& family) const;
  std::map<std::string, Family> families_;
};

}  // namespace tarn::engine::python_functions
