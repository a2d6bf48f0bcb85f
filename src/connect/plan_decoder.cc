#include "connect/plan_decoder.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <spark/connect/base.pb.h>
#include <zstd.h>

#include <memory>
#include <string>

#include "base/spark_error.h"

namespace pb = google::protobuf;
namespace sc = spark::connect;

namespace tarn::connect {
namespace {

SparkError invalid_plan(const char* what, ErrorParams params) {
  return SparkError(ErrorKind::kSpark, std::string("CONNECT_INVALID_PLAN.") + what, std::move(params));
}

SparkError cannot_parse(const std::string& why) { return invalid_plan("CANNOT_PARSE", {{"errorMsg", why}}); }

void parse(pb::io::ZeroCopyInputStream* stream, pb::Message* message) {
  pb::io::CodedInputStream coded(stream);
  coded.SetRecursionLimit(kMaxNesting);
  coded.SetTotalBytesLimit(INT32_MAX);
  if (!message->ParsePartialFromCodedStream(&coded) || !coded.ConsumedEntireMessage()) {
    throw cannot_parse("the bytes are not a " + message->GetTypeName() + " message of at most " + std::to_string(kMaxNesting) + " levels");
  }
}

SparkError too_large(const std::string& size, size_t max) {
  return invalid_plan("PLAN_SIZE_LARGER_THAN_MAX", {{"planSize", size}, {"maxPlanSize", std::to_string(max)}});
}

std::string decompress(const std::string& data, size_t max_bytes) {
  unsigned long long declared = ZSTD_getFrameContentSize(data.data(), data.size());
  if (declared == ZSTD_CONTENTSIZE_ERROR) throw cannot_parse("the data is not a ZSTD frame");
  if (declared != ZSTD_CONTENTSIZE_UNKNOWN && declared > max_bytes) throw too_large(std::to_string(declared), max_bytes);
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  // The declared size may lie: the buffer grows with what really comes out, up to the limit.
  std::string out;
  std::string block(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer in{data.data(), data.size(), 0};
  size_t rest = 1;
  while (in.pos < in.size || rest != 0) {
    ZSTD_outBuffer to{block.data(), block.size(), 0};
    size_t before = in.pos;
    rest = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(rest)) throw cannot_parse(ZSTD_getErrorName(rest));
    if (out.size() + to.pos > max_bytes) throw too_large("unknown", max_bytes);
    out.append(block.data(), to.pos);
    if (in.pos == before && to.pos == 0) {
      if (rest != 0) throw cannot_parse("the ZSTD frame is cut short");
      break;
    }
  }
  return out;
}

}  // namespace

void parse_request(const grpc::ByteBuffer& bytes, pb::Message* message) {
  grpc::ByteBuffer copy(bytes);  // the reader wants a buffer it may change; the slices are shared
  grpc::ProtoBufferReader reader(&copy);
  if (!reader.status().ok()) throw cannot_parse(reader.status().error_message());
  parse(&reader, message);
}

void decompress_plan(sc::Plan* plan, size_t max_bytes) {
  if (plan->op_type_case() != sc::Plan::kCompressedOperation) return;
  sc::Plan_CompressedOperation compressed;
  compressed.Swap(plan->mutable_compressed_operation());
  if (compressed.compression_codec() != sc::COMPRESSION_CODEC_ZSTD) {
    throw invalid_plan("INVALID_ENUM", {{"fullName", "spark.connect.CompressionCodec"},
                                        {"name", sc::CompressionCodec_Name(compressed.compression_codec())},
                                        {"number", std::to_string(compressed.compression_codec())}});
  }
  std::string data = decompress(compressed.data(), max_bytes);
  compressed.clear_data();
  pb::io::ArrayInputStream stream(data.data(), static_cast<int>(data.size()));
  switch (compressed.op_type()) {
    case sc::Plan_CompressedOperation::OP_TYPE_RELATION: parse(&stream, plan->mutable_root()); break;
    case sc::Plan_CompressedOperation::OP_TYPE_COMMAND: parse(&stream, plan->mutable_command()); break;
    default:
      throw invalid_plan("INVALID_ONE_OF_FIELD_NOT_SET",
                         {{"fullName", "spark.connect.Plan.CompressedOperation"},
                          {"name", sc::Plan_CompressedOperation_OpType_Name(compressed.op_type())}});
  }
}

void require_operation(const sc::Plan& plan) {
  if (plan.op_type_case() == sc::Plan::OP_TYPE_NOT_SET) {
    throw invalid_plan("INVALID_ONE_OF_FIELD_NOT_SET", {{"fullName", "spark.connect.Plan"}, {"name", "OPTYPE_NOT_SET"}});
  }
}

}  // namespace tarn::connect
