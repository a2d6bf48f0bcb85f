#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "engine/orc/calendar.h"
#include "engine/orc/input.h"

using namespace tarn::engine::orc;

namespace {

// Bytes of the examples in the ORC specification.
std::string bytes(std::initializer_list<int> all) {
  std::string out;
  for (int b : all) out += static_cast<char>(b);
  return out;
}

std::vector<int64_t> integers(const std::string& stored, bool is_signed, bool version_2, size_t n) {
  IntegerRuns runs(Input(stored, Compression::kNone, 0), is_signed, version_2);
  std::vector<int64_t> out(n);
  runs.next(out.data(), n);
  return out;
}

}  // namespace

TEST_CASE("runs of whole numbers are those of the specification's examples") {
  CHECK(integers(bytes({0x61, 0x00, 0x07}), false, false, 100) == std::vector<int64_t>(100, 7));
  std::vector<int64_t> down(100);
  std::iota(down.rbegin(), down.rend(), 1);
  CHECK(integers(bytes({0x61, 0xff, 0x64}), false, false, 100) == down);
  CHECK(integers(bytes({0xfb, 0x02, 0x03, 0x06, 0x07, 0x0b}), false, false, 5) == std::vector<int64_t>{2, 3, 6, 7, 11});

  CHECK(integers(bytes({0x0a, 0x27, 0x10}), false, true, 5) == std::vector<int64_t>(5, 10000));
  CHECK(integers(bytes({0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef}), false, true, 4) == std::vector<int64_t>{23713, 43806, 57005, 48879});
  CHECK(integers(bytes({0x8e, 0x13, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3c, 0x46,
                        0x50, 0x5a, 0x64, 0x6e, 0x78, 0x82, 0x8c, 0x96, 0xa0, 0xaa, 0xb4, 0xbe, 0xfc, 0xe8}),
                 true, true, 20) == std::vector<int64_t>{2030, 2000, 2020, 1000000, 2040, 2050, 2060, 2070, 2080, 2090, 2100, 2110, 2120, 2130, 2140, 2150, 2160, 2170, 2180, 2190});
  CHECK(integers(bytes({0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46}), false, true, 10) == std::vector<int64_t>{2, 3, 5, 7, 11, 13, 17, 19, 23, 29});
}

TEST_CASE("runs of bytes and bits are those of the specification's examples") {
  const std::string literal_bytes = bytes({0xfe, 0x44, 0x45}), bit_bytes = bytes({0xff, 0x80});
  ByteRuns literals{Input(literal_bytes, Compression::kNone, 0)};
  CHECK(literals.next() == 0x44);
  CHECK(literals.next() == 0x45);
  CHECK_THROWS_AS(literals.next(), Damaged);
  BitRuns bits{Input(bit_bytes, Compression::kNone, 0)};
  CHECK(bits.next());
  for (int i = 0; i < 7; ++i) CHECK_FALSE(bits.next());
}

TEST_CASE("what ends too early is damaged, not read beyond its end") {
  CHECK_THROWS_AS(integers(bytes({0x5e, 0x03, 0x5c}), false, true, 4), Damaged);
  CHECK_THROWS_AS(integers("", true, true, 1), Damaged);
  // A patch behind the end of its run.
  CHECK_THROWS_AS(integers(bytes({0x8e, 0x01, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0xfc, 0xe8}), true, true, 2), Damaged);
  CHECK_THROWS_AS(decompress(bytes({0x10, 0x00, 0x00, 0x01}), Compression::kSnappy, 1024), Damaged);
}

TEST_CASE("blocks that compression did not shorten are stored as they are") {
  CHECK(decompress(bytes({0x0b, 0x00, 0x00}) + "hello", Compression::kZlib, 1024) == "hello");
}

TEST_CASE("days before 1582-10-15 keep their name in the other calendar") {
  // RebaseDateTimeSuite: 0001-01-01, 1000-01-01, 1582-10-04 and the days around the change.
  for (auto [gregorian, julian] : {std::pair<int64_t, int64_t>{-719162, -719164}, {-354285, -354280}, {-141428 - 10, -141428}, {-141427, -141427}, {0, 0}}) {
    CHECK(gregorian_to_julian(gregorian) == julian);
    CHECK(julian_to_gregorian(julian) == gregorian);
  }
  CHECK(gregorian_to_julian(-141430) == kFirstGregorianDay);
  for (int64_t day = -1'200'000; day < kFirstGregorianDay - 10; day += 97) CHECK(julian_to_gregorian(gregorian_to_julian(day)) == day);
}
