#include "account/digest.h"

#include <openssl/evp.h>

#include <array>

namespace tarn::account {

Md5::Md5() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_md5(), nullptr); }
Md5::~Md5() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }
void Md5::add(std::string_view bytes) { EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()); }

std::string Md5::finish() {
  std::string out(16, '\0');
  unsigned length = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), reinterpret_cast<unsigned char*>(out.data()), &length);
  return out;
}

uint64_t crc64(uint64_t crc, std::string_view bytes) {
  static const auto kTable = [] {
    std::array<uint64_t, 256> t{};
    for (uint64_t i = 0; i < 256; ++i) {
      uint64_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ 0x9A6C9329AC4BC9B5ull : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  crc = ~crc;
  for (unsigned char b : bytes) crc = kTable[(crc ^ b) & 0xff] ^ crc >> 8;
  return ~crc;
}

std::string crc64_bytes(uint64_t crc) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(crc >> (8 * i) & 0xff);
  return out;
}

}  // namespace tarn::account
