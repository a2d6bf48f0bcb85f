// aes_encrypt and aes_decrypt. Layout of the result as Spark has it: initial vector, ciphertext, and with GCM the tag.
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

enum class Cipher : uint8_t { kEcb, kCbc, kGcm };

std::string upper(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return r;
}

Cipher cipher_of(std::string_view mode, std::string_view padding, const char* function) {
  std::string m = upper(mode), p = upper(padding);
  if (m == "ECB" && (p == "PKCS" || p == "DEFAULT")) return Cipher::kEcb;
  if (m == "CBC" && (p == "PKCS" || p == "DEFAULT")) return Cipher::kCbc;
  if (m == "GCM" && (p == "NONE" || p == "DEFAULT")) return Cipher::kGcm;
  fail("UNSUPPORTED_FEATURE.AES_MODE", ErrorKind::kRuntime, {{"mode", std::string(mode)}, {"padding", std::string(padding)}, {"functionName", std::string("`") + function + "`"}});
}

const EVP_CIPHER* evp(Cipher c, size_t key, const char* function) {
  if (key != 16 && key != 24 && key != 32)
    fail("INVALID_PARAMETER_VALUE.AES_KEY_LENGTH", ErrorKind::kRuntime, {{"parameter", "`key`"}, {"functionName", std::string("`") + function + "`"}, {"actualLength", std::to_string(key)}});
  switch (c) {
    case Cipher::kEcb: return key == 16 ? EVP_aes_128_ecb() : key == 24 ? EVP_aes_192_ecb() : EVP_aes_256_ecb();
    case Cipher::kCbc: return key == 16 ? EVP_aes_128_cbc() : key == 24 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
    default: return key == 16 ? EVP_aes_128_gcm() : key == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
  }
}

[[noreturn]] void crypto_error(const char* function, const char* detail) {
  fail("INVALID_PARAMETER_VALUE.AES_CRYPTO_ERROR", ErrorKind::kRuntime, {{"parameter", "`expr`, `key`"}, {"functionName", std::string("`") + function + "`"}, {"detailMessage", detail}});
}

const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

struct Context {
  EVP_CIPHER_CTX* c = EVP_CIPHER_CTX_new();
  ~Context() { EVP_CIPHER_CTX_free(c); }
};

std::string encrypt(std::string_view text, std::string_view key, std::string_view mode, std::string_view padding, std::string_view iv_given, std::string_view aad) {
  const char* name = "aes_encrypt";
  const Cipher cipher = cipher_of(mode, padding, name);
  const EVP_CIPHER* e = evp(cipher, key.size(), name);
  const size_t iv_size = cipher == Cipher::kEcb ? 0 : cipher == Cipher::kCbc ? 16 : 12;
  if (!iv_given.empty() && cipher == Cipher::kEcb) fail("UNSUPPORTED_FEATURE.AES_MODE_IV", ErrorKind::kRuntime, {{"mode", upper(mode)}, {"functionName", "`aes_encrypt`"}});
  if (!iv_given.empty() && iv_given.size() != iv_size)
    fail("INVALID_PARAMETER_VALUE.AES_IV_LENGTH", ErrorKind::kRuntime, {{"parameter", "`iv`"}, {"functionName", "`aes_encrypt`"}, {"mode", upper(mode)}, {"actualLength", std::to_string(iv_given.size())}});
  if (!aad.empty() && cipher != Cipher::kGcm) fail("UNSUPPORTED_FEATURE.AES_MODE_AAD", ErrorKind::kRuntime, {{"mode", upper(mode)}, {"functionName", "`aes_encrypt`"}});
  std::string iv(iv_given);
  if (iv.empty() && iv_size) {
    iv.resize(iv_size);
    RAND_bytes(reinterpret_cast<unsigned char*>(iv.data()), static_cast<int>(iv_size));
  }
  Context c;
  std::string out(text.size() + 32, '\0');
  int n = 0, m = 0, ignored = 0;
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  if (!EVP_EncryptInit_ex(c.c, e, nullptr, bytes(key), iv_size ? bytes(iv) : nullptr) ||
      (!aad.empty() && !EVP_EncryptUpdate(c.c, nullptr, &ignored, bytes(aad), static_cast<int>(aad.size()))) ||
      !EVP_EncryptUpdate(c.c, to, &n, bytes(text), static_cast<int>(text.size())) || !EVP_EncryptFinal_ex(c.c, to + n, &m))
    crypto_error(name, "encryption failed");
  out.resize(static_cast<size_t>(n + m));
  if (cipher == Cipher::kGcm) {
    std::string tag(16, '\0');
    EVP_CIPHER_CTX_ctrl(c.c, EVP_CTRL_GCM_GET_TAG, 16, tag.data());
    out += tag;
  }
  return iv + out;
}

std::string decrypt(std::string_view data, std::string_view key, std::string_view mode, std::string_view padding, std::string_view aad) {
  const char* name = "aes_decrypt";
  const Cipher cipher = cipher_of(mode, padding, name);
  const EVP_CIPHER* e = evp(cipher, key.size(), name);
  if (!aad.empty() && cipher != Cipher::kGcm) fail("UNSUPPORTED_FEATURE.AES_MODE_AAD", ErrorKind::kRuntime, {{"mode", upper(mode)}, {"functionName", "`aes_decrypt`"}});
  const size_t iv_size = cipher == Cipher::kEcb ? 0 : cipher == Cipher::kCbc ? 16 : 12, tag_size = cipher == Cipher::kGcm ? 16 : 0;
  if (data.size() < iv_size + tag_size) crypto_error(name, "Input is too short");
  std::string_view iv = data.substr(0, iv_size), body = data.substr(iv_size, data.size() - iv_size - tag_size);
  std::string tag(data.substr(data.size() - tag_size));
  Context c;
  std::string out(body.size() + 32, '\0');
  int n = 0, m = 0, ignored = 0;
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  bool ok = EVP_DecryptInit_ex(c.c, e, nullptr, bytes(key), iv_size ? bytes(iv) : nullptr) &&
            (aad.empty() || EVP_DecryptUpdate(c.c, nullptr, &ignored, bytes(aad), static_cast<int>(aad.size()))) &&
            EVP_DecryptUpdate(c.c, to, &n, bytes(body), static_cast<int>(body.size()));
  if (ok && tag_size) ok = EVP_CIPHER_CTX_ctrl(c.c, EVP_CTRL_GCM_SET_TAG, 16, tag.data());
  if (!ok || !EVP_DecryptFinal_ex(c.c, to + n, &m)) crypto_error(name, tag_size ? "Tag mismatch" : "Given final block not properly padded. Such issues can arise if a bad key is used during decryption.");
  out.resize(static_cast<size_t>(n + m));
  return out;
}

}  // namespace

void register_crypto(Kernels& k) {
  k.random<Bytes(Bytes, Bytes, Text, Text, Bytes, Bytes)>("spark_aes_encrypt", encrypt);
  k.scalar<Bytes(Bytes, Bytes, Text, Text, Bytes)>("spark_aes_decrypt", decrypt);
}

}  // namespace tarn::engine::kernels
