#include "connect/replay_buffer.h"

#include <doctest/doctest.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <spark/connect/base.pb.h>

#include <atomic>
#include <thread>

#include "base/spark_error.h"
#include "engine/session.h"

using namespace tarn;
using connect::ReplayBuffer;
using Kind = ReplayBuffer::Next::Kind;

namespace {

std::vector<grpc::Slice> answer(size_t bytes) {
  spark::connect::ExecutePlanResponse r;
  r.mutable_arrow_batch()->set_data(std::string(bytes, 'x'));
  return {grpc::Slice(r.SerializeAsString())};
}

std::string id_of(const ReplayBuffer::Next& next) {
  grpc::ByteBuffer copy(*next.answer);
  grpc::ProtoBufferReader reader(&copy);
  spark::connect::ExecutePlanResponse r;
  REQUIRE(r.ParseFromZeroCopyStream(&reader));
  return r.response_id();
}

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

TEST_CASE("answers come in order with ids of their own, then the end") {
  ReplayBuffer b({});
  engine::CancelToken cancel;
  CHECK(b.take(1).kind == Kind::kWait);
  CHECK(b.push(answer(10), cancel));
  CHECK(b.push(answer(10), cancel));
  auto first = b.take(1), second = b.take(2);
  CHECK(first.kind == Kind::kAnswer);
  CHECK(id_of(first) != id_of(second));
  CHECK(b.take(3).kind == Kind::kWait);
  b.finish(grpc::Status(grpc::StatusCode::INTERNAL, "x"));
  CHECK(b.take(3).kind == Kind::kEnd);
  CHECK(b.take(3).status.error_message() == "x");
  CHECK(!b.push(answer(1), cancel));
}

TEST_CASE("a client that comes back goes on after the last answer it has") {
  ReplayBuffer b({});
  engine::CancelToken cancel;
  for (int i = 0; i < 3; ++i) b.push(answer(10), cancel);
  std::string first = id_of(b.take(1)), second = id_of(b.take(2));
  CHECK(b.position_after(first) == 2);
  CHECK(b.position_of_first() == 1);
  b.release_until(first);
  CHECK(b.position_after(first) == 2);  // what was released is known to have been read
  CHECK(condition_of([&] { b.position_of_first(); }) == "INVALID_CURSOR.POSITION_NOT_AVAILABLE");
  b.release_until(second);
  CHECK(condition_of([&] { b.position_after(first); }) == "INVALID_CURSOR.POSITION_NOT_AVAILABLE");
  CHECK(b.position_after(second) == 3);
  CHECK(condition_of([&] { b.position_after("6c3ab25c-8ad5-4f2c-9d3d-000000000001"); }) == "INVALID_CURSOR.POSITION_NOT_FOUND");
  CHECK(condition_of([&] { b.position_after("no id"); }) == "INVALID_CURSOR.POSITION_NOT_FOUND");
  // Releasing what was never sent releases nothing that is still to be sent.
  b.release_until(first);
  CHECK(b.take(3).kind == Kind::kAnswer);
}

TEST_CASE("sent answers are kept up to the limit, the last one always") {
  ReplayBuffer b({.max_unsent = 1 << 20, .max_retry = 100});
  engine::CancelToken cancel;
  for (int i = 0; i < 4; ++i) b.push(answer(80), cancel);
  for (int i = 1; i <= 4; ++i) b.take(static_cast<uint64_t>(i));
  CHECK(b.take(2).kind == Kind::kLost);
  CHECK(b.take(3).kind == Kind::kAnswer);
  CHECK(b.take(4).kind == Kind::kAnswer);
}

TEST_CASE("an operation that cannot be attached to again keeps nothing that was sent") {
  ReplayBuffer b({.max_retry = 0});
  engine::CancelToken cancel;
  b.push(answer(5), cancel);
  CHECK(b.take(1).kind == Kind::kAnswer);
  CHECK(b.take(1).kind == Kind::kLost);
  b.finish(grpc::Status::OK);
  CHECK(b.take(2).kind == Kind::kEnd);
}

TEST_CASE("a slow client holds the producer back and nothing is lost") {
  ReplayBuffer b({.max_unsent = 1000});
  engine::CancelToken cancel;
  std::atomic<int> pushed{0};
  std::thread producer([&] {
    for (int i = 0; i < 50; ++i) {
      if (b.push(answer(400), cancel)) ++pushed;
    }
    b.finish(grpc::Status::OK);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(pushed == 2);
  CHECK(!b.try_push(answer(400)));
  uint64_t next = 1;
  for (;;) {
    auto n = b.take(next);
    if (n.kind == Kind::kEnd) break;
    REQUIRE(n.kind != Kind::kLost);
    if (n.kind == Kind::kAnswer) ++next;
    else std::this_thread::yield();
  }
  producer.join();
  CHECK(next == 51);
}

TEST_CASE("one answer larger than the limit still passes") {
  ReplayBuffer b({.max_unsent = 10});
  engine::CancelToken cancel;
  CHECK(b.push(answer(1000), cancel));
}

TEST_CASE("cancelling and closing let a waiting producer go") {
  engine::CancelToken cancel;
  ReplayBuffer b({.max_unsent = 10}), c({.max_unsent = 10});
  cancel.on_cancel([&] { b.wake(); });
  b.push(answer(100), cancel);
  c.push(answer(100), cancel);
  bool first = true, second = true;
  std::thread p([&] { first = b.push(answer(100), cancel); });
  engine::CancelToken other;
  std::thread q([&] { second = c.push(answer(100), other); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  cancel.cancel();
  c.close();
  p.join();
  q.join();
  CHECK(!first);
  CHECK(!second);
}

TEST_CASE("the listener hears of every answer and of the end") {
  ReplayBuffer b({});
  engine::CancelToken cancel;
  int heard = 0;
  b.set_listener([&] { ++heard; });
  b.push(answer(1), cancel);
  b.try_push(answer(1));
  b.finish(grpc::Status::OK);
  b.finish(grpc::Status::OK);
  CHECK(heard == 3);
}
