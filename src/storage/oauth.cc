#include "storage/oauth.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/spark_error.h"

namespace tarn::storage {
namespace {

std::string base64url(std::string_view bytes) {
  std::string out = base64_encode(bytes);
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  while (out.ends_with('=')) out.pop_back();
  return out;
}

}  // namespace

std::string AccessToken::get() const {
  std::lock_guard lock(mu_);  // over the request: the others would ask for the same token
  if (now_ms() < until_ms_) return token_;
  HttpRequest r;
  r.method = "POST";
  r.server = Url::parse(endpoint_);
  r.path = "";
  std::swap(r.path, r.server.path);
  if (r.path.empty()) r.path = "/";
  r.set_header("Content-Type", "application/x-www-form-urlencoded");
  std::string body;
  for (const auto& [k, v] : form_()) body += (body.empty() ? "" : "&") + percent_encode(k) + "=" + percent_encode(v);
  r.body = body;
  for (int attempt = 1;; ++attempt) {
    std::string why;
    try {
      HttpResponse a = send_http(r);
      auto json = nlohmann::json::parse(a.body, nullptr, false);
      auto token = json.is_object() ? json.find("access_token") : json.end();
      if (a.status == 200 && json.is_object() && token != json.end() && token->is_string()) {
        token_ = token->get<std::string>();
        int64_t seconds = 3600;
        if (auto e = json.find("expires_in"); e != json.end()) seconds = e->is_string() ? std::atoll(e->get<std::string>().c_str()) : e->is_number() ? e->get<int64_t>() : seconds;
        until_ms_ = now_ms() + std::max<int64_t>(seconds - 300, seconds / 2) * 1000;
        return token_;
      }
      std::string code = json.is_object() && json.contains("error") && json["error"].is_string() ? json["error"].get<std::string>() : "";
      why = "HTTP " + std::to_string(a.status) + (code.empty() ? "" : " " + code) + "; " + refused_;
      if (a.status < 500 && a.status != 429) throw IoError(IoError::Kind::kPermission, "cannot sign in at", endpoint_, why);
    } catch (const ConnectionError& e) {
      why = e.what();
    }
    if (attempt >= 3) throw IoError(IoError::Kind::kOther, "cannot sign in at", endpoint_, why);
  }
}

std::string signed_jwt(const std::string& pem, const std::string& key_id, const std::string& claims) {
  std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  // No pass phrase is asked for, on any terminal.
  auto no_phrase = [](char*, int, int, void*) { return 0; };
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_phrase, nullptr), EVP_PKEY_free);
  if (!key || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) {
    throw SparkError::Plain(ErrorKind::kIllegalArgument, "The private key of the service account is not an RSA key in PEM (-----BEGIN PRIVATE KEY-----…)");
  }
  nlohmann::json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  if (!key_id.empty()) header["kid"] = key_id;
  std::string text = base64url(header.dump()) + "." + base64url(claims);
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> md(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  size_t n = 0;
  auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::string signature;
  bool done = EVP_DigestSignInit(md.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 && EVP_DigestSign(md.get(), nullptr, &n, bytes, text.size()) == 1;
  if (done) {
    signature.resize(n);
    done = EVP_DigestSign(md.get(), reinterpret_cast<unsigned char*>(signature.data()), &n, bytes, text.size()) == 1;
    signature.resize(n);
  }
  if (!done) throw SparkError::Plain(ErrorKind::kIllegalArgument, "The private key of the service account cannot sign");
  return text + "." + base64url(signature);
}

}  // namespace tarn::storage
