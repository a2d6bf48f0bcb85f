#pragma once
// What a stateful processor may ask of its handle: state variables and timers of the grouping key at hand.
// Source: StatefulProcessorHandleImpl, ValueStateImpl, ListStateImpl, MapStateImpl and their siblings with TTL, TimerStateImpl.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/python/state/state_store.h"
#include "plan/types.h"
#include "plan/value.h"

namespace tarn::engine::python_functions {

enum class TimeMode : uint8_t { kNone, kProcessingTime, kEventTime };

// What all instances of a stateful operator have in common.
struct StatefulOperator {
  plan::DataType key;                            // struct of the grouping columns
  TimeMode time_mode = TimeMode::kNone;
  std::optional<int64_t> batch_timestamp_ms, watermark_ms;
  int64_t max_records = 10000;                   // of an answer
};

// Rows are values of structs. Used by one thread. Throws SparkError as the JVM does; its message is what the processor sees.
class StatefulProcessor {
 public:
  enum class State : uint8_t { kCreated, kPreInit, kInitialized, kDataProcessed, kTimerProcessed, kClosed };

  StatefulProcessor(const StatefulOperator& op, StateStore& store) : op_(op), store_(store) {}

  const StatefulOperator& op() const { return op_; }
  State state() const { return state_; }
  void set_state(State state) { state_ = state; }
  void set_key(const plan::Value& key);
  void remove_key() { key_.reset(); }

  // ---- variables. Declared while the handle is created.
  struct Variable {
    enum class Kind : uint8_t { kValue, kList, kMap } kind = Kind::kValue;
    plan::DataType type, value_type;             // kMap: of keys, of values
    std::optional<int64_t> ttl_ms;
  };
  // False: there is one of this kind and name.
  bool declare(const std::string& name, Variable variable);
  // Null: there is none.
  const Variable* find(const std::string& name, Variable::Kind kind) const;
  void delete_if_exists(const std::string& name);

  std::optional<plan::Value> value(const std::string& name, const Variable& v) const;
  void update(const std::string& name, const Variable& v, const plan::Value& row);
  std::vector<plan::Value> list(const std::string& name, const Variable& v) const;
  // Throws ILLEGAL_STATE_STORE_VALUE.EMPTY_LIST_VALUE.
  void append(const std::string& name, const Variable& v, const std::vector<plan::Value>& rows, bool replace);
  std::optional<plan::Value> map_value(const std::string& name, const Variable& v, const plan::Value& key) const;
  void put(const std::string& name, const Variable& v, const plan::Value& key, const plan::Value& row);
  void remove(const std::string& name, const Variable& v, const plan::Value& key);
  // In the order of the keys' bytes.
  std::vector<std::pair<plan::Value, plan::Value>> entries(const std::string& name, const Variable& v) const;
  bool exists(const std::string& name, const Variable& v) const;
  void clear(const std::string& name);

  // ---- timers. Of the key at hand, but for expired_timers(): those of all keys until the time, inclusive, in their order.
  void register_timer(int64_t expiry_ms);
  void delete_timer(int64_t expiry_ms);
  std::vector<int64_t> timers() const;
  std::vector<std::pair<plan::Value, int64_t>> expired_timers(int64_t until_ms) const;

 private:
  void check_timers(const char* operation) const;
  void check_state(const char* operation) const;
  const std::string& key(const std::string& of) const;
  // With the time of its end before it, if the variable has one.
  std::string stored(const Variable& v, const plan::Value& row, const plan::DataType& type) const;
  std::optional<plan::Value> read(const Variable& v, const std::string& stored, const plan::DataType& type) const;

  const StatefulOperator& op_;
  StateStore& store_;
  State state_ = State::kCreated;
  std::optional<std::string> key_;               // encoded
  std::map<std::string, Variable> variables_[3]; // by kind
};

}  // namespace tarn::engine::python_functions
