#include "plan/session_conf.h"

#include <doctest/doctest.h>

#include "base/spark_error.h"

using namespace tarn;
using plan::SessionConf;

namespace {
template <class F>
std::string condition_of(F f) {
  try {
    f();
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "";
}
}  // namespace

// Expected answers: a live Spark 4.2.0.
TEST_CASE("defaults are answered with their unit, as Spark does") {
  SessionConf c;
  CHECK(c.get("spark.sql.autoBroadcastJoinThreshold") == "10485760b");
  CHECK(c.get("spark.connect.progress.reportInterval") == "2000ms");
  CHECK(c.get("spark.sql.session.localRelationCacheThreshold") == "1048576");
  CHECK(c.get("spark.sql.adaptive.advisoryPartitionSizeInBytes") == "67108864b");  // through its fallback key
  CHECK(c.get("spark.sql.execution.arrow.pyspark.enabled") == "true");
  CHECK(c.get("spark.sql.binaryOutputStyle") == std::nullopt);
}

TEST_CASE("a value is kept as it was given and read by its kind") {
  SessionConf c;
  c.set("spark.sql.files.maxPartitionBytes", "64MB");
  CHECK(c.get("spark.sql.files.maxPartitionBytes") == "64MB");
  CHECK(c.integer("spark.sql.files.maxPartitionBytes") == 64 << 20);
  c.set("spark.sql.broadcastTimeout", "5");
  CHECK(c.integer("spark.sql.broadcastTimeout") == 5000);
  c.set("spark.sql.sources.partitionOverwriteMode", "dynamic");
  CHECK(c.get("spark.sql.sources.partitionOverwriteMode") == "dynamic");
  CHECK(c.text("spark.sql.sources.partitionOverwriteMode") == "DYNAMIC");
  c.set("spark.sql.ansi.enabled", "FALSE");
  CHECK(!c.ansi());
  c.set("my.own.key", "anything");
  CHECK(c.get("my.own.key") == "anything");
  c.reset();
  CHECK(c.ansi());
}

TEST_CASE("what cannot be set is refused with Spark's condition") {
  SessionConf c;
  CHECK(condition_of([&] { c.get("spark.no.such"); }) == "SQL_CONF_NOT_FOUND");
  CHECK(condition_of([&] { c.set("spark.sql.warehouse.dir", "/x"); }) == "CANNOT_MODIFY_STATIC_CONFIG");
  CHECK(condition_of([&] { c.unset("spark.sql.warehouse.dir"); }) == "CANNOT_MODIFY_STATIC_CONFIG");
  CHECK(condition_of([&] { c.set("spark.executor.memory", "1g"); }) == "CANNOT_MODIFY_CONFIG");
  CHECK(condition_of([&] { c.set("spark.default.parallelism", "4"); }) == "");
  CHECK(condition_of([&] { c.set("spark.sql.shuffle.partitions", "0"); }) == "INVALID_CONF_VALUE.REQUIREMENT");
  CHECK(condition_of([&] { c.set("spark.sql.shuffle.partitions", "many"); }) == "INVALID_CONF_VALUE.TYPE_MISMATCH");
  CHECK(condition_of([&] { c.set("spark.sql.shuffle.partitions", "3000000000"); }) == "INVALID_CONF_VALUE.TYPE_MISMATCH");
  CHECK(condition_of([&] { c.set("spark.sql.ansi.enabled", "yes"); }) == "INVALID_CONF_VALUE.TYPE_MISMATCH");
  CHECK(condition_of([&] { c.set("spark.sql.storeAssignmentPolicy", "LOOSE"); }) == "INVALID_CONF_VALUE.OUT_OF_RANGE_OF_OPTIONS");
  CHECK(condition_of([&] { c.set("spark.sql.session.timeZone", "Mars/Base"); }) == "INVALID_CONF_VALUE.TIME_ZONE");
  CHECK(c.is_modifiable("spark.sql.ansi.enabled"));
  CHECK(!c.is_modifiable("spark.sql.warehouse.dir"));
  CHECK(!c.is_modifiable("my.own.key"));
}

TEST_CASE("get with a fallback prefers it to the default and checks it") {
  SessionConf c;
  CHECK(c.get("spark.sql.shuffle.partitions", "7") == "7");
  CHECK(c.get("no.such", std::nullopt) == std::nullopt);
  CHECK(condition_of([&] { c.get("spark.sql.shuffle.partitions", "x"); }) == "INVALID_CONF_VALUE.TYPE_MISMATCH");
}

TEST_CASE("time zones are region ids, short ids and offsets") {
  for (const char* z : {"UTC", "Z", "Asia/Tokyo", "America/Los_Angeles", "+01:00", "-08", "+1", "GMT+8", "UTC+01:00", "PST"}) {
    CHECK_MESSAGE(plan::is_valid_time_zone(z), z);
  }
  for (const char* z : {"", "Mars/Base", "+19:00", "+01:99", "asdf", "+"}) CHECK_MESSAGE(!plan::is_valid_time_zone(z), z);
}

TEST_CASE("a copy has every value, static ones included") {
  SessionConf::set_startup_values({{"spark.sql.warehouse.dir", "file:/x"}, {"spark.app.name", "tarn"}});
  SessionConf a, b;
  a.set("spark.sql.shuffle.partitions", "9");
  b.copy_from(a);
  CHECK(b.all_set() == a.all_set());
  CHECK(b.get("spark.sql.warehouse.dir") == "file:/x");
  b.reset();
  CHECK(b.all_set().size() == 2);
  SessionConf::set_startup_values({});
}
