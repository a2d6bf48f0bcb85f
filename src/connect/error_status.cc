#include "connect/error_status.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <spark/connect/base.pb.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/io_error.h"
#include "base/spark_error.h"

namespace tarn::connect {
namespace {

constexpr size_t kMaxMessage = 2048;         // Spark's own limit for the status message
constexpr size_t kMaxParameters = 1024;      // Spark: spark.connect.grpc.maxMetadataSize
constexpr size_t kMaxMetadata = 7600;        // gRPC clients take 8 KB in all by default; the rest is for the other headers
constexpr size_t kMaxCauses = 5;

// What an exception says, whatever its type.
struct Described {
  std::vector<std::string> classes;
  std::string message;
  std::optional<SparkError> spark;  // with a condition
  std::exception_ptr cause;
};

template <class E>
std::exception_ptr cause_of(const E& e) {
  try {
    std::rethrow_if_nested(e);
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

std::vector<std::string> java(std::initializer_list<const char*> names) {
  std::vector<std::string> out(names.begin(), names.end());
  out.insert(out.end(), {"java.lang.Exception", "java.lang.Throwable", "java.lang.Object"});
  return out;
}

Described describe(std::exception_ptr error) {
  Described d;
  try {
    std::rethrow_exception(error);
  } catch (const SparkError& e) {
    d = {e.java_classes(), e.message(), e, cause_of(e)};
  } catch (const IoError& e) {
    d = {java({e.kind() == IoError::Kind::kNotFound ? "java.io.FileNotFoundException" : "java.io.IOException"}), e.what(), std::nullopt,
         cause_of(e)};
  } catch (const std::bad_alloc&) {
    d = {java({"java.lang.OutOfMemoryError"}), "The server is out of memory", std::nullopt, nullptr};
  } catch (const std::exception& e) {
    SparkError internal = internal_error(e.what());
    d = {internal.java_classes(), internal.message(), internal, cause_of(e)};
  } catch (...) {
    SparkError internal = internal_error("an unknown exception");
    d = {internal.java_classes(), internal.message(), internal, nullptr};
  }
  return d;
}

// At most max bytes of UTF-8, never half a character; what was cut shows as "...".
std::string abbreviate(const std::string& text, size_t max) {
  if (text.size() <= max) return text;
  size_t end = max > 3 ? max - 3 : 0;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

// The bytes that a status message takes as a header: everything but printable ASCII is written %XX.
size_t encoded_size(const std::string& message) {
  size_t n = 0;
  for (unsigned char c : message) n += (c >= ' ' && c <= '~' && c != '%') ? 1 : 3;
  return n;
}

std::string valid_utf8(const std::string& text) {
  // Protobuf strings must be UTF-8; an error about bad bytes may quote them.
  nlohmann::json j = text;
  std::string quoted = j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(quoted).get<std::string>();
}

std::string parameters_json(const ErrorParams& params) {
  nlohmann::json j = nlohmann::json::object();
  for (const auto& [k, v] : params) j[k] = v;
  return j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string summary_of(const SparkError& e) {
  // The context's text stands after the message.
  size_t at = e.message().find("\n== ");
  return at == std::string::npos ? "" : e.message().substr(at + 1);
}

}  // namespace

grpc::Status to_status(std::exception_ptr error, const std::string& error_id) {
  Described d = describe(error);
  std::string message = valid_utf8(d.message);

  google::rpc::ErrorInfo info;
  info.set_reason(d.classes.front());
  info.set_domain("org.apache.spark");
  auto& metadata = *info.mutable_metadata();
  metadata["classes"] = nlohmann::json(d.classes).dump();
  if (d.spark && !d.spark->condition().empty()) {
    if (!d.spark->sqlstate().empty()) metadata["sqlState"] = d.spark->sqlstate();
    std::string parameters = parameters_json(d.spark->params());
    if (parameters.size() <= kMaxParameters) {
      metadata["errorClass"] = d.spark->condition();
      metadata["messageParameters"] = std::move(parameters);
    }
  }
  if (!error_id.empty()) metadata["errorId"] = error_id;

  // The message travels twice: as grpc-message and, in base64, inside the details.
  google::rpc::Status details;
  details.set_code(grpc::StatusCode::INTERNAL);
  size_t limit = kMaxMessage;
  std::string shown, packed;
  for (;;) {
    shown = abbreviate(message, limit);
    details.set_message(shown);
    details.clear_details();
    details.add_details()->PackFrom(info);
    packed = details.SerializeAsString();
    if (encoded_size(shown) + packed.size() * 4 / 3 <= kMaxMetadata || limit < 128) break;
    limit /= 2;
  }
  return grpc::Status(grpc::StatusCode::INTERNAL, shown, packed);
}

void describe_error(std::exception_ptr error, spark::connect::FetchErrorDetailsResponse* response) {
  response->set_root_error_idx(0);
  for (size_t i = 0; error && i < kMaxCauses; ++i) {
    Described d = describe(error);
    auto* out = response->add_errors();
    out->set_message(valid_utf8(d.message));
    for (const auto& c : d.classes) out->add_error_type_hierarchy(c);
    if (d.spark) {
      auto* throwable = out->mutable_spark_throwable();
      if (!d.spark->condition().empty()) throwable->set_error_class(d.spark->condition());
      if (!d.spark->sqlstate().empty()) throwable->set_sql_state(d.spark->sqlstate());
      for (const auto& [k, v] : d.spark->params()) (*throwable->mutable_message_parameters())[k] = valid_utf8(v);
      if (const auto& context = d.spark->context()) {
        auto* c = throwable->add_query_contexts();
        using Proto = spark::connect::FetchErrorDetailsResponse_QueryContext;
        bool sql = context->type == QueryContext::Type::kSql;
        c->set_context_type(sql ? Proto::SQL : Proto::DATAFRAME);
        c->set_object_type(context->object_type);
        c->set_object_name(context->object_name);
        c->set_start_index(context->start_index);
        c->set_stop_index(context->stop_index);
        c->set_fragment(valid_utf8(context->fragment));
        c->set_call_site(context->call_site);
        c->set_summary(valid_utf8(summary_of(*d.spark)));
      }
    }
    error = d.cause;
    if (error && i + 1 < kMaxCauses) out->set_cause_idx(static_cast<int>(i + 1));
  }
}

std::string error_text(std::exception_ptr error) {
  std::string text = describe(error).message;
  return abbreviate(text.substr(0, text.find('\n')), 500);
}

std::string error_condition(std::exception_ptr error) {
  Described d = describe(error);
  return d.spark ? d.spark->condition() : "";
}

}  // namespace tarn::connect
