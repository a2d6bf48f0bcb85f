#include "engine/python/state/stateful_processor.h"

#include <doctest/doctest.h>

#include <functional>

#include "base/spark_error.h"
#include "engine/python/state/value_codec.h"

using namespace tarn::engine::python_functions;
using tarn::plan::DataType;
using tarn::plan::ListValue;
using tarn::plan::make_field;
using tarn::plan::TypeId;
using tarn::plan::Value;

namespace {

Value row(std::vector<Value> items) { return Value{ListValue{std::move(items)}}; }
Value text(const char* s) { return Value{std::string(s)}; }
Value number(int64_t v) { return Value{v}; }

const DataType kText = DataType::structure({make_field("k", TypeId::kString)});
const DataType kNumber = DataType::structure({make_field("n", TypeId::kLong)});
using Variable = StatefulProcessor::Variable;

std::string condition(const std::function<void()>& f) {
  try {
    f();
  } catch (const tarn::SparkError& e) {
    return e.condition();
  }
  return "";
}

}  // namespace

TEST_CASE("what is encoded is decoded, sorts as the values do, and begins no other value's bytes") {
  const auto type = DataType::structure({make_field("a", TypeId::kLong), make_field("b", TypeId::kString), make_field("c", TypeId::kDouble),
                                         make_field("d", DataType::decimal(20, 2)), make_field("e", DataType::array(TypeId::kInt)),
                                         make_field("f", DataType::map(TypeId::kString, TypeId::kBoolean)), make_field("g", TypeId::kBinary)});
  const auto value = row({number(-5), Value{std::string("a\0b", 3)}, Value{-1.5}, Value{static_cast<tarn::plan::Int128>(-123)}, row({number(1), Value{}}),
                          Value{tarn::plan::MapValue{{{text("x"), Value{true}}}}}, Value{std::string("\0\xff\1", 3)}});
  const auto bytes = encode(value, type);
  CHECK(encode(decode(bytes, type), type) == bytes);
  CHECK(decode(encode(row({}), DataType::structure({})), DataType::structure({})).get<ListValue>().items.empty());
  CHECK(encode(number(-1), TypeId::kLong) < encode(number(0), TypeId::kLong));
  CHECK(encode(number(255), TypeId::kLong) < encode(number(256), TypeId::kLong));
  CHECK(encode(Value{-2.0}, TypeId::kDouble) < encode(Value{-1.0}, TypeId::kDouble));
  CHECK(encode(Value{-1.0}, TypeId::kDouble) < encode(Value{0.5}, TypeId::kDouble));
  CHECK(encode(text("a"), TypeId::kString) < encode(text("aa"), TypeId::kString));
  CHECK_FALSE(encode(text("aa"), TypeId::kString).starts_with(encode(text("a"), TypeId::kString)));
  CHECK_THROWS_AS(decode(bytes.substr(0, bytes.size() - 1), type), tarn::SparkError);
}

TEST_CASE("variables belong to the key at hand") {
  StatefulOperator op{kText};
  MemoryStateStore store;
  StatefulProcessor p(op, store);
  REQUIRE(p.declare("v", {Variable::Kind::kValue, kNumber}));
  CHECK_FALSE(p.declare("v", {Variable::Kind::kValue, kNumber}));
  REQUIRE(p.declare("l", {Variable::Kind::kList, kNumber}));
  REQUIRE(p.declare("m", {Variable::Kind::kMap, kText, kNumber}));
  p.set_state(StatefulProcessor::State::kInitialized);
  const auto &v = *p.find("v", Variable::Kind::kValue), &l = *p.find("l", Variable::Kind::kList), &m = *p.find("m", Variable::Kind::kMap);
  CHECK_FALSE(p.find("v", Variable::Kind::kList));
  p.set_key(row({text("a")}));
  p.update("v", v, row({number(1)}));
  p.append("l", l, {row({number(1)}), row({number(2)})}, false);
  p.append("l", l, {row({number(3)})}, false);
  p.put("m", m, row({text("y")}), row({number(7)}));
  p.put("m", m, row({text("x")}), row({number(8)}));
  p.set_key(row({text("ab")}));
  CHECK_FALSE(p.exists("v", v));
  CHECK_FALSE(p.exists("l", l));
  CHECK(p.entries("m", m).empty());
  p.append("l", l, {row({number(9)})}, true);
  p.set_key(row({text("a")}));
  CHECK(p.value("v", v)->get<ListValue>().items[0].get<int64_t>() == 1);
  REQUIRE(p.list("l", l).size() == 3);
  CHECK(p.list("l", l)[2].get<ListValue>().items[0].get<int64_t>() == 3);
  REQUIRE(p.entries("m", m).size() == 2);
  CHECK(p.entries("m", m)[0].first.get<ListValue>().items[0].get<std::string>() == "x");
  p.remove("m", m, row({text("x")}));
  CHECK_FALSE(p.map_value("m", m, row({text("x")})));
  CHECK(p.map_value("m", m, row({text("y")})));
  p.clear("l");
  CHECK_FALSE(p.exists("l", l));
  CHECK(condition([&] { p.append("l", l, {}, true); }) == "ILLEGAL_STATE_STORE_VALUE.EMPTY_LIST_VALUE");
  CHECK(condition([&] { p.declare("late", {Variable::Kind::kValue, kNumber}); }) == "STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_HANDLE_STATE");
  CHECK(condition([&] { p.register_timer(1); }) == "STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_TIME_MODE");
}

TEST_CASE("timers expire in the order of their times, and values when their time has come") {
  StatefulOperator op{kText, TimeMode::kProcessingTime, 1000};
  MemoryStateStore store;
  StatefulProcessor p(op, store);
  REQUIRE(p.declare("v", {Variable::Kind::kValue, kNumber, {}, 500}));
  p.set_state(StatefulProcessor::State::kInitialized);
  p.set_key(row({text("b")}));
  p.update("v", *p.find("v", Variable::Kind::kValue), row({number(1)}));
  for (int64_t t : {2000, 30, -5}) p.register_timer(t);
  p.set_key(row({text("a")}));
  p.register_timer(30);
  p.register_timer(31);
  p.delete_timer(31);
  CHECK(p.timers() == std::vector<int64_t>{30});
  auto expired = p.expired_timers(1000);
  REQUIRE(expired.size() == 3);
  CHECK(expired[0].second == -5);
  CHECK(expired[1].first.get<ListValue>().items[0].get<std::string>() == "a");
  CHECK(expired[2].first.get<ListValue>().items[0].get<std::string>() == "b");
  // A later batch over the same store.
  StatefulOperator later{kText, TimeMode::kProcessingTime, 1499};
  StatefulProcessor q(later, store);
  REQUIRE(q.declare("v", {Variable::Kind::kValue, kNumber, {}, 500}));
  q.set_key(row({text("b")}));
  CHECK(q.exists("v", *q.find("v", Variable::Kind::kValue)));
  later.batch_timestamp_ms = 1500;
  CHECK_FALSE(q.exists("v", *q.find("v", Variable::Kind::kValue)));
}
