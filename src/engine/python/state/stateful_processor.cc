#include "engine/python/state/stateful_processor.h"

#include "base/spark_error.h"
#include "engine/python/state/value_codec.h"

namespace tarn::engine::python_functions {

using plan::TypeId;
using plan::Value;

namespace {

// Names that no variable can have.
constexpr const char* kTimersOfKey = "$timers_keyToTimestamp";
constexpr const char* kTimersByTime = "$timers_timestampToKey";

const char* name_of(TimeMode mode) { return mode == TimeMode::kNone ? "NoTime" : mode == TimeMode::kEventTime ? "EventTime" : "ProcessingTime"; }
const char* name_of(StatefulProcessor::State state) {
  const char* const names[] = {"CREATED", "PRE_INIT", "INITIALIZED", "DATA_PROCESSED", "TIMER_PROCESSED", "CLOSED"};
  return names[static_cast<size_t>(state)];
}

std::string number(int64_t v) { return encode(Value{v}, TypeId::kLong); }
int64_t number_of(std::string_view bytes) { return decode(bytes, TypeId::kLong).get<int64_t>(); }
const size_t kNumberSize = number(0).size();

SparkError invalid_state(const char* operation, StatefulProcessor::State state) {
  return SparkError(ErrorKind::kUnsupported, "STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_HANDLE_STATE",
                    {{"operationType", operation}, {"handleState", name_of(state)}});
}

}  // namespace

void StatefulProcessor::check_timers(const char* operation) const {
  if (op_.time_mode == TimeMode::kNone)
    throw SparkError(ErrorKind::kUnsupported, "STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_TIME_MODE",
                     {{"operationType", operation}, {"timeMode", name_of(op_.time_mode)}});
  if (state_ < State::kInitialized || state_ >= State::kTimerProcessed) throw invalid_state(operation, state_);
}

void StatefulProcessor::check_state(const char* operation) const {
  if (state_ != State::kCreated) throw invalid_state(operation, state_);
}

void StatefulProcessor::set_key(const Value& key) { key_ = encode(key, op_.key); }

const std::string& StatefulProcessor::key(const std::string& of) const {
  if (!key_) throw internal_error("Implicit key not found in state store for stateName=" + of);
  return *key_;
}

// ---- variables

bool StatefulProcessor::declare(const std::string& name, Variable v) {
  auto& known = variables_[static_cast<size_t>(v.kind)];
  if (known.contains(name)) return false;
  const char* const operations[] = {"get_value_state", "get_list_state", "get_map_state"};
  check_state(operations[static_cast<size_t>(v.kind)]);
  if (v.ttl_ms && op_.time_mode != TimeMode::kProcessingTime && *v.ttl_ms != 0)
    throw SparkError(ErrorKind::kUnsupported, "STATEFUL_PROCESSOR_INCORRECT_TIME_MODE_TO_ASSIGN_TTL", {{"stateName", name}, {"timeMode", name_of(op_.time_mode)}});
  if (v.ttl_ms && *v.ttl_ms < 0)
    throw SparkError(ErrorKind::kUnsupported, "STATEFUL_PROCESSOR_TTL_DURATION_MUST_BE_POSITIVE", {{"operationType", "update"}, {"stateName", name}});
  if (v.ttl_ms == 0) v.ttl_ms.reset();
  if (name.empty() || name == "default" || name.front() == ' ' || name.back() == ' ')
    throw SparkError(ErrorKind::kUnsupported, "STATE_STORE_CANNOT_USE_COLUMN_FAMILY_WITH_INVALID_NAME", {{"operationName", "create_col_family"}, {"colFamilyName", name}});
  if (name.front() == '$')
    throw SparkError(ErrorKind::kUnsupported, "STATE_STORE_CANNOT_CREATE_COLUMN_FAMILY_WITH_RESERVED_CHARS", {{"colFamilyName", name}});
  known.emplace(name, std::move(v));
  return true;
}

const StatefulProcessor::Variable* StatefulProcessor::find(const std::string& name, Variable::Kind kind) const {
  const auto& known = variables_[static_cast<size_t>(kind)];
  auto it = known.find(name);
  return it == known.end() ? nullptr : &it->second;
}

void StatefulProcessor::delete_if_exists(const std::string& name) {
  check_state("delete_if_exists");
  for (auto& known : variables_) known.erase(name);
  store_.drop(name);
}

std::string StatefulProcessor::stored(const Variable& v, const Value& row, const plan::DataType& type) const {
  std::string bytes;
  if (v.ttl_ms) bytes = number(op_.batch_timestamp_ms.value_or(0) + *v.ttl_ms);
  return bytes + encode(row, type);
}

std::optional<Value> StatefulProcessor::read(const Variable& v, const std::string& stored, const plan::DataType& type) const {
  std::string_view bytes = stored;
  if (v.ttl_ms) {
    if (number_of(bytes.substr(0, kNumberSize)) <= op_.batch_timestamp_ms.value_or(0)) return std::nullopt;
    bytes.remove_prefix(kNumberSize);
  }
  return decode(bytes, type);
}

std::optional<Value> StatefulProcessor::value(const std::string& name, const Variable& v) const {
  auto found = store_.get(name, key(name));
  return found ? read(v, *found, v.type) : std::nullopt;
}

void StatefulProcessor::update(const std::string& name, const Variable& v, const Value& row) { store_.put(name, key(name), stored(v, row, v.type)); }

std::vector<Value> StatefulProcessor::list(const std::string& name, const Variable& v) const {
  std::vector<Value> out;
  for (const auto& [at, bytes] : store_.scan(name, key(name))) {
    if (auto row = read(v, bytes, v.type)) out.push_back(std::move(*row));
  }
  return out;
}

void StatefulProcessor::append(const std::string& name, const Variable& v, const std::vector<Value>& rows, bool replace) {
  if (rows.empty()) throw SparkError(ErrorKind::kIllegalArgument, "ILLEGAL_STATE_STORE_VALUE.EMPTY_LIST_VALUE", {{"stateName", name}});
  const auto& prefix = key(name);
  if (replace) clear(name);
  // Items are numbered from 0 on, behind the key.
  auto last = store_.last(name, prefix);
  int64_t next = last ? number_of(std::string_view(last->first).substr(prefix.size())) + 1 : 0;
  for (const auto& row : rows) store_.put(name, prefix + number(next++), stored(v, row, v.type));
}

std::optional<Value> StatefulProcessor::map_value(const std::string& name, const Variable& v, const Value& user_key) const {
  auto found = store_.get(name, key(name) + encode(user_key, v.type));
  return found ? read(v, *found, v.value_type) : std::nullopt;
}

void StatefulProcessor::put(const std::string& name, const Variable& v, const Value& user_key, const Value& row) {
  store_.put(name, key(name) + encode(user_key, v.type), stored(v, row, v.value_type));
}

void StatefulProcessor::remove(const std::string& name, const Variable& v, const Value& user_key) { store_.remove(name, key(name) + encode(user_key, v.type)); }

std::vector<std::pair<Value, Value>> StatefulProcessor::entries(const std::string& name, const Variable& v) const {
  std::vector<std::pair<Value, Value>> out;
  const auto& prefix = key(name);
  for (const auto& [at, bytes] : store_.scan(name, prefix)) {
    if (auto row = read(v, bytes, v.value_type)) out.emplace_back(decode(std::string_view(at).substr(prefix.size()), v.type), std::move(*row));
  }
  return out;
}

bool StatefulProcessor::exists(const std::string& name, const Variable& v) const {
  switch (v.kind) {
    case Variable::Kind::kValue: return value(name, v).has_value();
    case Variable::Kind::kList: return v.ttl_ms ? !list(name, v).empty() : store_.last(name, key(name)).has_value();
    default: return v.ttl_ms ? !entries(name, v).empty() : store_.last(name, key(name)).has_value();
  }
}

void StatefulProcessor::clear(const std::string& name) {
  for (const auto& [at, bytes] : store_.scan(name, key(name))) store_.remove(name, at);
}

// ---- timers

void StatefulProcessor::register_timer(int64_t expiry_ms) {
  check_timers("register_timer");
  store_.put(kTimersOfKey, key(kTimersOfKey) + number(expiry_ms), "");
  store_.put(kTimersByTime, number(expiry_ms) + *key_, "");
}

void StatefulProcessor::delete_timer(int64_t expiry_ms) {
  check_timers("delete_timer");
  store_.remove(kTimersOfKey, key(kTimersOfKey) + number(expiry_ms));
  store_.remove(kTimersByTime, number(expiry_ms) + *key_);
}

std::vector<int64_t> StatefulProcessor::timers() const {
  check_timers("list_timers");
  std::vector<int64_t> out;
  const auto& prefix = key(kTimersOfKey);
  for (const auto& [at, none] : store_.scan(kTimersOfKey, prefix)) out.push_back(number_of(std::string_view(at).substr(prefix.size())));
  return out;
}

std::vector<std::pair<Value, int64_t>> StatefulProcessor::expired_timers(int64_t until_ms) const {
  check_timers("get_expired_timers");
  std::vector<std::pair<Value, int64_t>> out;
  const std::string end = until_ms == INT64_MAX ? "" : number(until_ms + 1);
  for (const auto& [at, none] : store_.scan(kTimersByTime, "", end)) {
    out.emplace_back(decode(std::string_view(at).substr(kNumberSize), op_.key), number_of(std::string_view(at).substr(0, kNumberSize)));
  }
  return out;
}

}  // namespace tarn::engine::python_functions
