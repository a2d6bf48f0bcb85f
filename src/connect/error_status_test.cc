#include "connect/error_status.h"

#include <doctest/doctest.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <spark/connect/base.pb.h>

#include <nlohmann/json.hpp>

#include "base/io_error.h"
#include "base/spark_error.h"

using namespace tarn;

namespace {

google::rpc::ErrorInfo info_of(const grpc::Status& status) {
  google::rpc::Status details;
  REQUIRE(details.ParseFromString(status.error_details()));
  google::rpc::ErrorInfo info;
  REQUIRE(details.details_size() == 1);
  REQUIRE(details.details(0).UnpackTo(&info));
  return info;
}

}  // namespace

TEST_CASE("a SparkError carries its classes, condition, SQLSTATE and parameters") {
  auto error = std::make_exception_ptr(analysis_error("TABLE_OR_VIEW_NOT_FOUND", {{"relationName", "`t`"}}));
  auto status = connect::to_status(error, "the-id");
  CHECK(status.error_code() == grpc::StatusCode::INTERNAL);
  CHECK(status.error_message().starts_with("[TABLE_OR_VIEW_NOT_FOUND] "));
  auto info = info_of(status);
  CHECK(info.domain() == "org.apache.spark");
  CHECK(info.reason() == "org.apache.spark.sql.AnalysisException");
  CHECK(info.metadata().at("errorClass") == "TABLE_OR_VIEW_NOT_FOUND");
  CHECK(info.metadata().at("sqlState") == "42P01");
  CHECK(info.metadata().at("errorId") == "the-id");
  CHECK(nlohmann::json::parse(info.metadata().at("messageParameters"))["relationName"] == "`t`");
  CHECK(nlohmann::json::parse(info.metadata().at("classes"))[0] == "org.apache.spark.sql.AnalysisException");
}

TEST_CASE("a long message in any script stays within what gRPC clients take, and whole in the details") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "日";
  auto error = std::make_exception_ptr(internal_error(text));
  auto status = connect::to_status(error);
  size_t encoded = 0;
  for (unsigned char c : status.error_message()) encoded += c < 0x80 ? 1 : 3;
  CHECK(encoded + status.error_details().size() * 4 / 3 < 8000);
  CHECK(!info_of(status).metadata().contains("messageParameters"));
  nlohmann::json strict = status.error_message();
  CHECK_NOTHROW(strict.dump());  // no half characters
  spark::connect::FetchErrorDetailsResponse whole;
  connect::describe_error(error, &whole);
  CHECK(whole.errors(0).message().find(text) != std::string::npos);
}

TEST_CASE("another exception is an internal error, a missing file keeps its class") {
  CHECK(info_of(connect::to_status(std::make_exception_ptr(std::runtime_error("x")))).metadata().at("errorClass") == "INTERNAL_ERROR");
  auto missing = std::make_exception_ptr(IoError(IoError::Kind::kNotFound, "cannot read", "/x", "gone"));
  CHECK(info_of(connect::to_status(missing)).reason() == "java.io.FileNotFoundException");
}

TEST_CASE("details have query contexts and the chain of causes") {
  std::exception_ptr error;
  try {
    try {
      throw std::runtime_error("the disk is full");
    } catch (...) {
      std::throw_with_nested(SparkError(ErrorKind::kAnalysis, "DIVIDE_BY_ZERO", {{"config", "c"}},
                                        QueryContext{.start_index = 7, .stop_index = 9, .fragment = "1/0", .line = 1, .column = 7}));
    }
  } catch (...) {
    error = std::current_exception();
  }
  spark::connect::FetchErrorDetailsResponse r;
  connect::describe_error(error, &r);
  REQUIRE(r.errors_size() == 2);
  CHECK(r.root_error_idx() == 0);
  CHECK(r.errors(0).cause_idx() == 1);
  CHECK(!r.errors(1).has_cause_idx());
  const auto& context = r.errors(0).spark_throwable().query_contexts(0);
  CHECK(context.fragment() == "1/0");
  CHECK(context.start_index() == 7);
  CHECK(context.stop_index() == 9);
  CHECK(context.summary() == "== SQL (line 1, position 8) ==\n1/0\n^^^\n");
}
