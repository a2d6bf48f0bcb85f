#include "identity/passwords.h"

#include <sodium.h>

#include <algorithm>
#include <new>

#include "base/encoding.h"

namespace tarn::identity {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE passwords (
         owner INTEGER PRIMARY KEY REFERENCES principals (id) ON DELETE CASCADE, hash TEXT NOT NULL, changed_ms INTEGER NOT NULL);)",
};

// So many random bytes as the text form of a hash has them: base64 without padding.
std::string random_text(size_t bytes) {
  std::string raw(bytes, '\0');
  randombytes_buf(raw.data(), raw.size());
  std::string text = base64_encode(raw);
  return text.substr(0, text.find('='));
}

size_t characters(std::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

class Passwords::Place {
 public:
  explicit Place(Passwords& of) : of_(of) {
    std::unique_lock lock(of.mu_);
    if (of.computing_ >= HashCost::kAtOnce) {
      if (of.waiting_ >= HashCost::kWaiting) throw TooManyHashes("too many passwords are being checked");
      ++of.waiting_;
      of.freed_.wait(lock, [&] { return of.computing_ < HashCost::kAtOnce; });
      --of.waiting_;
    }
    ++of.computing_;
  }
  ~Place() {
    std::lock_guard lock(of_.mu_);
    --of_.computing_;
    of_.freed_.notify_one();
  }

 private:
  Passwords& of_;
};

Passwords::Passwords(Metadata& metadata) : metadata_(metadata) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialized");
  metadata_.migrate("identity.passwords", kSteps);
  nobodys_ = "$argon2id$v=19$m=" + std::to_string(HashCost::kMemory >> 10) + ",t=" + std::to_string(HashCost::kPasses) + ",p=1$" + random_text(16) + "$" + random_text(32);
}

std::optional<std::string> Passwords::objection(std::string_view password, std::string_view user_name) {
  if (!is_utf8(password) || password.find('\0') != std::string_view::npos) return "The password must be text.";
  if (password.size() > kMost) return "A password has at most " + std::to_string(kMost) + " bytes.";
  if (characters(password) < kLeast) return "A password has at least " + std::to_string(kLeast) + " characters.";
  std::string lower = lower_ascii(password), name = lower_ascii(user_name);
  if (lower == name || lower == name.substr(0, name.find('@'))) return "The password must not be the user's name.";
  if (std::all_of(password.begin(), password.end(), [&](char c) { return c == password[0]; })) return "The password must not be one character again and again.";
  return std::nullopt;
}

bool Passwords::has(int64_t owner) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT 1 FROM passwords WHERE owner = ?");
  return query.bind(owner).step();
}

std::string Passwords::hash(std::string_view password) {
  Place place(*this);
  std::string out(crypto_pwhash_STRBYTES, '\0');
  if (crypto_pwhash_str_alg(out.data(), password.data(), password.size(), HashCost::kPasses, HashCost::kMemory, crypto_pwhash_ALG_ARGON2ID13) != 0) throw std::bad_alloc();
  out.resize(out.find('\0'));
  return out;
}

void Passwords::set(int64_t owner, std::string_view password) {
  std::string hashed = hash(password);
  auto db = metadata_.lease();
  Statement(*db, "INSERT INTO passwords (owner, hash, changed_ms) VALUES (?, ?, ?) "
                 "ON CONFLICT (owner) DO UPDATE SET hash = excluded.hash, changed_ms = excluded.changed_ms")
      .bind(owner).bind(hashed).bind(now_ms()).run();
}

void Passwords::remove(int64_t owner) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM passwords WHERE owner = ?").bind(owner).run();
}

bool Passwords::check(std::optional<int64_t> owner, std::string_view password) {
  std::string stored = nobodys_;
  bool known = false;
  if (owner) {
    auto db = metadata_.lease();
    Statement query(*db, "SELECT hash FROM passwords WHERE owner = ?");
    if (query.bind(*owner).step()) stored = query.text(0), known = true;
  }
  {
    Place place(*this);
    known &= crypto_pwhash_str_verify(stored.c_str(), password.data(), std::min(password.size(), kMost + 1)) == 0;
  }
  if (!known || crypto_pwhash_str_needs_rehash(stored.c_str(), HashCost::kPasses, HashCost::kMemory) == 0) return known;
  std::string renewed = hash(password);
  auto db = metadata_.lease();   // unless it was changed meanwhile
  Statement(*db, "UPDATE passwords SET hash = ? WHERE owner = ? AND hash = ?").bind(renewed).bind(*owner).bind(stored).run();
  return true;
}

}  // namespace tarn::identity
