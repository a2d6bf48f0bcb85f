#include "connect/authenticator.h"

#include <sodium.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/io_error.h"

namespace tarn::connect {
namespace {

std::array<unsigned char, 32> digest(const std::string& token) {
  std::array<unsigned char, 32> out;
  crypto_hash_sha256(out.data(), reinterpret_cast<const unsigned char*>(token.data()), token.size());
  return out;
}

}  // namespace

Authenticator Authenticator::from_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw IoError("cannot read the token file", path);
  struct stat st;
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & 077)) {
    throw std::invalid_argument("the token file " + path + " can be read by others: chmod 600 it");
  }
  Authenticator out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string token, user;
    words >> token >> user;
    if (token.empty() || token[0] == '#') continue;
    bool relay = user == "@relay";
    out.tokens_.push_back({digest(token), relay ? "" : user, relay});
    sodium_memzero(token.data(), token.size());
    sodium_memzero(line.data(), line.size());
  }
  if (out.tokens_.empty()) throw std::invalid_argument("the token file " + path + " holds no token");
  return out;
}

bool Authenticator::check(const std::string* authorization, const std::string& claimed, const std::string* relayed, std::string* user,
                          const char** reason) const {
  *user = claimed;
  if (tokens_.empty()) return true;
  if (!authorization) {
    *reason = "No authentication token provided";
    return false;
  }
  static constexpr std::string_view kBearer = "Bearer ";
  bool bearer = authorization->compare(0, kBearer.size(), kBearer) == 0;
  Digest given = digest(bearer ? authorization->substr(kBearer.size()) : *authorization);
  const Token* match = nullptr;
  for (const auto& t : tokens_) {
    if (sodium_memcmp(t.digest.data(), given.data(), given.size()) == 0) match = &t;
  }
  if (!match || !bearer) {
    *reason = "Invalid authentication token";
    return false;
  }
  if (match->relay) {
    if (!relayed || relayed->empty()) {
      *reason = "The relay did not say for whom it calls";
      return false;
    }
    *user = *relayed;
  } else if (!match->user.empty()) {
    *user = match->user;
  }
  return true;
}

}  // namespace tarn::connect
