#pragma once
// Requests from the wire into messages, with the limits Spark sets.
#include <cstddef>

namespace google::protobuf {
class Message;
}
namespace grpc {
class ByteBuffer;
}
namespace spark::connect {
class Plan;
}

namespace tarn::connect {

constexpr int kMaxNesting = 1024;                       // spark.connect.grpc.marshallerRecursionLimit
constexpr size_t kMaxRequestBytes = 128 << 20;          // spark.connect.grpc.maxInboundMessageSize
constexpr size_t kMaxPlanBytes = 512 << 20;             // spark.connect.maxPlanSize: after decompression

// SparkError CONNECT_INVALID_PLAN.CANNOT_PARSE if the bytes are not such a message (or nest too deep).
void parse_request(const grpc::ByteBuffer& bytes, google::protobuf::Message* message);

// Replaces a compressed operation by what it holds; any other plan stays. SparkError CONNECT_INVALID_PLAN.*.
void decompress_plan(spark::connect::Plan* plan, size_t max_bytes = kMaxPlanBytes);

// SparkError CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET for a plan that holds nothing to run.
void require_operation(const spark::connect::Plan& plan);

}  // namespace tarn::connect
