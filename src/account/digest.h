#pragma once
// Checks of transferred bytes: MD5 and the CRC-64 of Azure Storage, computed as they pass.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tarn::account {

class Md5 {
 public:
  Md5();
  ~Md5();
  void add(std::string_view bytes);
  std::string finish();              // 16 bytes

 private:
  void* context_;
};

// CRC-64 with the reflected polynomial 0x9A6C9329AC4BC9B5, all ones before and after. Begins with 0.
uint64_t crc64(uint64_t crc, std::string_view bytes);
std::string crc64_bytes(uint64_t crc);   // 8 bytes, little endian, as x-ms-content-crc64 carries them

}  // namespace tarn::account
