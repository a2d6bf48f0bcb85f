// The parts of the service that need no engine: decoding, encoding, scheduling, tokens, configuration.
#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <doctest/doctest.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <spark/connect/base.pb.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/spark_error.h"
#include "connect/authenticator.h"
#include "connect/config_handler.h"
#include "connect/fair_scheduler.h"
#include "connect/plan_decoder.h"
#include "connect/response_encoder.h"
#include "connect/worker_pool.h"
#include "engine/session.h"
#include "plan/session_conf.h"

using namespace tarn;
namespace sc = spark::connect;

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

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

sc::Plan compressed(const std::string& data) {
  sc::Plan plan;
  auto* c = plan.mutable_compressed_operation();
  c->set_data(data);
  c->set_op_type(sc::Plan_CompressedOperation::OP_TYPE_RELATION);
  c->set_compression_codec(sc::COMPRESSION_CODEC_ZSTD);
  return plan;
}

sc::ExecutePlanResponse parse(const std::vector<grpc::Slice>& message) {
  grpc::ByteBuffer bytes(message.data(), message.size());
  grpc::ProtoBufferReader reader(&bytes);
  sc::ExecutePlanResponse r;
  REQUIRE(r.ParseFromZeroCopyStream(&reader));
  return r;
}

std::shared_ptr<arrow::RecordBatch> numbers(int64_t n) {
  arrow::Int64Builder b;
  for (int64_t i = 0; i < n; ++i) CHECK(b.Append(i).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::int64())}), n, {b.Finish().ValueOrDie()});
}

std::shared_ptr<arrow::RecordBatch> read_ipc(const std::string& data) {
  auto reader = arrow::ipc::RecordBatchStreamReader::Open(std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(data)));
  REQUIRE(reader.ok());
  std::shared_ptr<arrow::RecordBatch> batch, end;
  REQUIRE((*reader)->ReadNext(&batch).ok());
  REQUIRE((*reader)->ReadNext(&end).ok());
  CHECK(!end);  // exactly one batch in a stream
  return batch;
}

}  // namespace

TEST_CASE("a compressed plan is taken apart, a broken or too large one refused") {
  sc::Relation relation;
  relation.mutable_range()->set_end(7);
  sc::Plan plan = compressed(zstd(relation.SerializeAsString()));
  connect::decompress_plan(&plan);
  CHECK(plan.root().range().end() == 7);

  plan = compressed("no zstd");
  CHECK(condition_of([&] { connect::decompress_plan(&plan); }) == "CONNECT_INVALID_PLAN.CANNOT_PARSE");
  plan = compressed(zstd("no relation"));
  CHECK(condition_of([&] { connect::decompress_plan(&plan); }) == "CONNECT_INVALID_PLAN.CANNOT_PARSE");
  std::string cut = zstd(std::string(100'000, 'x'));
  plan = compressed(cut.substr(0, cut.size() - 3));
  CHECK(condition_of([&] { connect::decompress_plan(&plan); }) == "CONNECT_INVALID_PLAN.CANNOT_PARSE");
  plan = compressed(zstd(std::string(10 << 20, 'x')));  // 10 MB of nothing in a kilobyte
  CHECK(condition_of([&] { connect::decompress_plan(&plan, 1 << 20); }) == "CONNECT_INVALID_PLAN.PLAN_SIZE_LARGER_THAN_MAX");
}

TEST_CASE("bytes that are no request, and plans nested beyond the limit, are refused") {
  grpc::Slice garbage("\xff\xff\xff garbage");
  sc::ExecutePlanRequest request;
  CHECK(condition_of([&] { connect::parse_request(grpc::ByteBuffer(&garbage, 1), &request); }) == "CONNECT_INVALID_PLAN.CANNOT_PARSE");
  auto nested = [](int levels) {
    sc::ExecutePlanRequest r;
    auto* relation = r.mutable_plan()->mutable_root();
    for (int i = 0; i < levels; ++i) relation = relation->mutable_limit()->mutable_input();
    relation->mutable_range()->set_end(1);
    grpc::Slice slice(r.SerializeAsString());
    return grpc::ByteBuffer(&slice, 1);
  };
  CHECK_NOTHROW(connect::parse_request(nested(400), &request));
  CHECK(condition_of([&] { connect::parse_request(nested(600), &request); }) == "CONNECT_INVALID_PLAN.CANNOT_PARSE");
  CHECK(condition_of([&] { connect::require_operation(sc::Plan()); }) == "CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET");
}

TEST_CASE("every batch is a whole IPC stream with its place in the result") {
  connect::ResponseEncoder e("s", "ss", "o", {});
  std::vector<sc::ExecutePlanResponse> out;
  auto emit = [&](const std::vector<grpc::Slice>& m) { out.push_back(parse(m)); return true; };
  e.batch(*numbers(1000), emit);
  e.batch(*numbers(10), emit);
  REQUIRE(out.size() == 2);
  CHECK(out[1].session_id() == "s");
  CHECK(out[1].operation_id() == "o");
  CHECK(out[0].arrow_batch().start_offset() == 0);
  CHECK(out[1].arrow_batch().start_offset() == 1000);
  CHECK(out[1].arrow_batch().row_count() == 10);
  CHECK(!out[1].arrow_batch().has_chunk_index());
  CHECK(read_ipc(out[0].arrow_batch().data())->Equals(*numbers(1000)));
  e.empty_batch(numbers(0)->schema(), emit);
  CHECK(read_ipc(out[2].arrow_batch().data())->num_rows() == 0);
}

TEST_CASE("a batch that is too large for a message is split by rows, and in chunks where the client takes them") {
  std::vector<sc::ExecutePlanResponse> out;
  auto emit = [&](const std::vector<grpc::Slice>& m) { out.push_back(parse(m)); return true; };
  connect::ResponseEncoder rows("s", "ss", "o", {}, 10'000);
  rows.batch(*numbers(5000), emit);  // 40 kB
  int64_t next = 0;
  for (const auto& r : out) {
    CHECK(r.arrow_batch().start_offset() == next);
    CHECK(r.arrow_batch().data().size() < 11'000);
    CHECK(read_ipc(r.arrow_batch().data())->num_rows() == r.arrow_batch().row_count());
    next += r.arrow_batch().row_count();
  }
  CHECK(next == 5000);

  out.clear();
  connect::ResponseEncoder chunks("s", "ss", "o", {true, 7000});
  chunks.batch(*numbers(5000), emit);
  std::string whole;
  for (size_t i = 0; i < out.size(); ++i) {
    CHECK(out[i].arrow_batch().chunk_index() == static_cast<int64_t>(i));
    CHECK(out[i].arrow_batch().num_chunks_in_batch() == static_cast<int64_t>(out.size()));
    CHECK(out[i].arrow_batch().row_count() == 5000);
    CHECK(out[i].arrow_batch().data().size() <= 7000);
    whole += out[i].arrow_batch().data();
  }
  CHECK(out.size() == 6);
  CHECK(read_ipc(whole)->Equals(*numbers(5000)));
}

TEST_CASE("places go to the owner with the fewest, and one owner cannot take all") {
  connect::WorkerPool pool(1 << 20);
  connect::FairScheduler s(pool, 4);
  std::atomic<bool> go{false};
  std::atomic<int> greedy{0}, modest{0};
  auto wait = [&](std::atomic<int>& counter) {
    ++counter;
    while (!go) std::this_thread::yield();
  };
  for (int i = 0; i < 20; ++i) s.submit("greedy", [&] { wait(greedy); });
  s.submit("modest", [&] { wait(modest); });
  for (int i = 0; i < 2000 && modest == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(modest == 1);
  CHECK(greedy == 3);
  CHECK(s.running() == 4);
  CHECK(s.waiting() == 17);
  uint64_t waiting = s.submit("late", [&] { FAIL("was removed"); });
  CHECK(s.remove(waiting));
  CHECK(!s.remove(waiting));
  go = true;
  while (s.running() > 0) std::this_thread::yield();
  CHECK(greedy == 20);
}

TEST_CASE("tokens: only the right one, its user if it names one") {
  std::string path = "/tmp/tarn-tokens-" + std::to_string(getpid());
  std::ofstream(path) << "# tokens\nalpha\nbeta  bert\ndelta @relay\n";
  chmod(path.c_str(), 0600);
  auto a = connect::Authenticator::from_file(path);
  std::string user;
  const char* reason = "";
  auto check = [&](const char* header, const char* relayed = nullptr) {
    std::string h(header ? header : ""), r(relayed ? relayed : "");
    return a.check(header ? &h : nullptr, "claimed", relayed ? &r : nullptr, &user, &reason);
  };
  CHECK(check("Bearer alpha"));
  CHECK(user == "claimed");
  CHECK(check("Bearer beta"));
  CHECK(user == "bert");
  // Only a relay names the user of a call.
  CHECK(check("Bearer alpha", "carol"));
  CHECK(user == "claimed");
  CHECK(check("Bearer delta", "carol"));
  CHECK(user == "carol");
  CHECK(!check("Bearer delta"));
  CHECK(!check("Bearer gamma"));
  CHECK(!check("alpha"));
  CHECK(!check("Bearer "));
  CHECK(!check(nullptr));
  CHECK(std::string(reason) == "No authentication token provided");
  chmod(path.c_str(), 0644);
  CHECK_THROWS(connect::Authenticator::from_file(path));
  unlink(path.c_str());
}

TEST_CASE("Config answers pairs and warnings; silent keeps errors as warnings") {
  plan::SessionConf conf;
  sc::ConfigRequest_Operation op;
  sc::ConfigResponse r;
  auto* set = op.mutable_set();
  auto* pair = set->add_pairs();
  pair->set_key("spark.executor.memory");
  pair->set_value("1g");
  pair = set->add_pairs();
  pair->set_key("spark.sql.ansi.enabled");
  pair->set_value("false");
  CHECK(condition_of([&] { connect::handle_config(op, conf, &r); }) == "CANNOT_MODIFY_CONFIG");
  CHECK(conf.ansi());
  set->set_silent(true);
  connect::handle_config(op, conf, &r);
  CHECK(!conf.ansi());
  REQUIRE(r.warnings_size() == 1);
  CHECK(r.warnings(0).starts_with("Failed to set spark.executor.memory to Some(1g) due to [CANNOT_MODIFY_CONFIG]"));

  r.Clear();
  op.mutable_get_option()->add_keys("spark.nothing");
  op.mutable_get_option()->add_keys("spark.sql.ansi.enabled");
  connect::handle_config(op, conf, &r);
  CHECK(!r.pairs(0).has_value());
  CHECK(r.pairs(1).value() == "false");
  r.Clear();
  op.mutable_get_all()->set_prefix("spark.sql.");
  connect::handle_config(op, conf, &r);
  REQUIRE(r.pairs_size() == 1);
  CHECK(r.pairs(0).key() == "ansi.enabled");
}

TEST_CASE("artifacts: no name leaves the folder, content never changes under a reader") {
  std::string dir = "/tmp/tarn-artifacts-" + std::to_string(getpid());
  {
    engine::ArtifactStore store(dir);
    for (const char* bad : {"../x", "/etc/passwd", "a/../../x", "", "a/./b", "files/.."}) {
      CHECK_MESSAGE(condition_of([&] { store.put(bad, "x"); }) == "INVALID_ARTIFACT_PATH", bad);
    }
    store.put("pyfiles/a.py", "one");
    store.put("pyfiles/a.py", "one");
    CHECK(condition_of([&] { store.put("pyfiles/a.py", "two"); }) == "ARTIFACT_ALREADY_EXISTS");
    store.put("archives/y.zip#z", "zip");
    CHECK(store.has("archives/y.zip"));
    CHECK(store.names("") == std::vector<std::string>{"archives/y.zip", "pyfiles/a.py"});
    engine::ArtifactStore copy(dir + "-2");
    copy.copy_from(store);
    std::ifstream in(copy.path("pyfiles/a.py"));
    std::string text;
    in >> text;
    CHECK(text == "one");
  }
  CHECK(access(dir.c_str(), F_OK) != 0);
}
