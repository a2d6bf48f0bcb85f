#pragma once
// Passwords of users, for the web page: Argon2id (RFC 9106) with a salt of its own each, in the text form that names its parameters.
#include <cstdint>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "identity/directory.h"

namespace tarn::identity {

// What one hash costs: 64 MB, gone over three times, as RFC 9106 (4) has it where memory is scarce, on one lane (libsodium has no more); about 0.1 s.
// At most kAtOnce are computed at the same time and kWaiting wait for that, so logins take at most kAtOnce * kMemory bytes, whatever comes in.
struct HashCost {
  static constexpr uint64_t kPasses = 3;
  static constexpr size_t kMemory = 64 << 20;
  static constexpr unsigned kAtOnce = 2, kWaiting = 6;
};

// So many hashes are wanted already that this one would keep others waiting: try again.
class TooManyHashes : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Thread-safe.
class Passwords {
 public:
  explicit Passwords(Metadata& metadata);

  // Why this cannot be the password of the user of that name; nullopt: it can.
  static std::optional<std::string> objection(std::string_view password, std::string_view user_name);
  static constexpr size_t kLeast = 8, kMost = 1024;   // characters, bytes

  bool has(int64_t owner) const;
  void set(int64_t owner, std::string_view password);
  void remove(int64_t owner);
  // Whether it is the owner's password. Without an owner, or with one who has no password, it takes as long and is false. Hashes of older parameters are renewed.
  bool check(std::optional<int64_t> owner, std::string_view password);

 private:
  // One of the places where a hash is computed.
  class Place;
  std::string hash(std::string_view password);
  Metadata& metadata_;
  std::string nobodys_;            // what the hash of a password could be; of none that anybody knows
  std::mutex mu_;
  std::condition_variable freed_;
  unsigned computing_ = 0, waiting_ = 0;   // guarded by mu_
};

}  // namespace tarn::identity
