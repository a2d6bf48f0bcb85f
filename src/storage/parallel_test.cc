#include "storage/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>

using namespace tarn::storage;

namespace {
struct Sent {
  std::mutex mu;
  std::vector<std::string> parts;  // guarded by mu; as "OFFSET:BYTES", by index
  int begun = 0;
  PartUpload::Send send() {
    return [this](size_t index, uint64_t offset, std::string_view part) {
      std::lock_guard lock(mu);
      parts.resize(std::max(parts.size(), index + 1));
      parts[index] = std::to_string(offset) + ":" + std::string(part);
    };
  }
};
using Parts = std::vector<std::string>;
}  // namespace

TEST_CASE("a file goes up in parts, the last bytes wait for the flush") {
  Sent sent;
  PartUpload upload(4, 3, 0, [&] { ++sent.begun; }, sent.send());
  upload.write("abcd");
  CHECK(sent.begun == 0);  // all of it may yet fit into one request
  CHECK(upload.parts() == 0);
  CHECK(upload.rest() == "abcd");
  upload.write("efghij");
  upload.flush();
  CHECK(sent.parts == Parts{"0:abcd", "4:efgh", "8:ij"});
  CHECK(sent.begun == 1);
  CHECK(upload.size() == 10);
  CHECK(upload.rest().empty());
}

TEST_CASE("a flush by units leaves the last byte and what is no whole unit") {
  Sent sent;
  PartUpload upload(100, 1, 0, [] {}, sent.send());
  upload.write("abcdef");
  upload.flush(3);
  CHECK(sent.parts == Parts{"0:abc"});
  CHECK(upload.rest() == "def");
  upload.flush(3);
  CHECK(upload.rest() == "def");
  upload.write("gh");
  upload.flush(3);
  CHECK(sent.parts == Parts{"0:abc", "3:def"});
  CHECK(upload.size() == 8);
}

TEST_CASE("the parts of a long file grow") {
  Sent sent;
  PartUpload upload(1, 2, 2, [] {}, sent.send());
  upload.write("abcdefghij");
  upload.flush();
  CHECK(sent.parts == Parts{"0:a", "1:b", "2:cd", "4:ef", "6:ghij"});
}

TEST_CASE("what a part throws comes out of the upload, and stopping is quiet") {
  PartUpload upload(1, 2, 0, [] {}, [](size_t index, uint64_t, std::string_view) {
    if (index == 1) throw std::runtime_error("second part");
  });
  CHECK_THROWS_WITH(
      [&] {
        upload.write("abcdef");
        upload.flush();
      }(),
      "second part");
  upload.stop();
}

TEST_CASE("no more tasks than allowed are on their way, and all have ended after the wait") {
  std::atomic<int> now{0}, most{0}, ended{0};
  InFlight tasks(3);
  for (int i = 0; i < 20; ++i) {
    tasks.start([&] {
      int n = ++now;
      for (int m = most; n > m && !most.compare_exchange_weak(m, n);) {
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      --now;
      ++ended;
    });
  }
  tasks.wait();
  CHECK(ended == 20);
  CHECK(most <= 3);
  CHECK(most > 1);
}

TEST_CASE("tasks that start others do not wait for a thread") {
  std::atomic<int> done{0};
  InFlight outer(64);
  for (int i = 0; i < 64; ++i) {
    outer.start([&] {
      InFlight inner(4);
      for (int k = 0; k < 8; ++k) inner.start([&] { ++done; });
      inner.wait();
    });
  }
  outer.wait();
  CHECK(done == 64 * 8);
}
