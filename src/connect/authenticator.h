#pragma once
// Who is calling: bearer tokens.
#include <array>
#include <map>
#include <string>
#include <vector>

namespace tarn::connect {

// The tokens that are accepted. Immutable, thread-safe. Only their digests are kept.
class Authenticator {
 public:
  // Without tokens every caller is accepted (loopback only: see ConnectServer).
  Authenticator() = default;
  // A file with one token a line: "TOKEN" (the caller's own user id counts), "TOKEN USER" (that user, whatever the caller says) or
  // "TOKEN @relay": who holds it speaks for others and names each call's user in the metadata kRelayedUser, never in the message.
  // Lines that are empty or start with # do not count. Throws IoError if it cannot be read, std::invalid_argument if it has no token
  // or others than its owner can read it.
  static Authenticator from_file(const std::string& path);

  bool required() const { return !tokens_.empty(); }
  // authorization: the header's value, or null. claimed: the user id of the request. relayed: the value of kRelayedUser, or null; it counts
  // for tokens of relays alone. On success *user is who it is; else the reason. Takes the same time for every wrong token.
  bool check(const std::string* authorization, const std::string& claimed, const std::string* relayed, std::string* user, const char** reason) const;
  static constexpr char kRelayedUser[] = "x-tarn-user-bin";

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Token {
    Digest digest;
    std::string user;  // empty: the claimed one
    bool relay = false;
  };
  std::vector<Token> tokens_;
};

}  // namespace tarn::connect
