#pragma once
// The one place where an error takes its Spark Connect form.
#include <grpcpp/support/status.h>

#include <exception>
#include <string>

namespace spark::connect {
class FetchErrorDetailsResponse;
}

namespace tarn::connect {

// Status INTERNAL with google.rpc.Status details (an ErrorInfo whose metadata has classes, errorClass, sqlState, messageParameters and
// errorId). What does not fit the 8 KB of metadata that clients take is cut: the message first, then the parameters. An exception that
// is not a SparkError becomes INTERNAL_ERROR. error_id: under which FetchErrorDetails finds the whole; empty for none.
grpc::Status to_status(std::exception_ptr error, const std::string& error_id = "");

// The whole error: message, classes, parameters, query contexts and causes (at most five, innermost last).
void describe_error(std::exception_ptr error, spark::connect::FetchErrorDetailsResponse* response);

// "[CONDITION] text" on one line, for logs.
std::string error_text(std::exception_ptr error);
// Spark's condition; empty if there is none.
std::string error_condition(std::exception_ptr error);

}  // namespace tarn::connect
