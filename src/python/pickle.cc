#include "python/pickle.h"

#include <bit>

namespace tarn::python {

void Pickle::little(uint64_t v, int bytes) {
  for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(v >> (8 * i));
}

void Pickle::integer(int64_t v) {
  bytes_ += '\x8a';  // LONG1
  bytes_ += '\x08';
  little(static_cast<uint64_t>(v), 8);
}

void Pickle::real(double v) {
  bytes_ += 'G';
  auto bits = std::bit_cast<uint64_t>(v);
  for (int shift = 56; shift >= 0; shift -= 8) bytes_ += static_cast<char>(bits >> shift);
}

void Pickle::text(std::string_view utf8) {
  bytes_ += 'X';
  little(utf8.size(), 4);
  bytes_ += utf8;
}

void Pickle::binary(std::string_view bytes) {
  bytes_ += 'B';
  little(bytes.size(), 4);
  bytes_ += bytes;
}

void Pickle::decimal(std::string_view digits) {
  bytes_ += "cdecimal\nDecimal\n";
  text(digits);
  bytes_ += "\x85R";
}

void Pickle::begin_row(std::string_view schema_json) {
  bytes_ += "cpyspark.sql.types\n_create_row_inbound_converter\n";
  bytes_ += "cpyspark.sql.types\n_parse_datatype_json_string\n";
  text(schema_json);
  bytes_ += "\x85R\x85R(";
}

std::string Pickle::take() {
  bytes_ += '.';
  return std::move(bytes_);
}

}  // namespace tarn::python
