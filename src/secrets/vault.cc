#include "secrets/vault.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "base/encoding.h"
#include "base/io_error.h"

namespace tarn::secrets {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE secret_scopes (
         id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key_vault INTEGER NOT NULL,
         resource_id TEXT NOT NULL, dns_name TEXT NOT NULL);
       CREATE TABLE secrets (
         scope INTEGER NOT NULL REFERENCES secret_scopes (id) ON DELETE CASCADE, key TEXT NOT NULL, sealed BLOB NOT NULL,
         updated_ms INTEGER NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;)",
    "CREATE UNIQUE INDEX secret_scopes_name ON secret_scopes (lower(name))",
};
constexpr int64_t kMaxSecrets = 1000;
constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;

const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

bool parse_key(std::string text, unsigned char* key) {
  size_t length = 0;
  const char* end = nullptr;
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  bool good = sodium_hex2bin(key, 32, text.data(), text.size(), nullptr, &length, &end) == 0 && length == 32 && end == text.data() + text.size();
  sodium_memzero(text.data(), text.size());
  return good;
}

// What is sealed together with a value.
std::string name_of(const Scope& scope, const std::string& key) { return std::to_string(scope.id) + '\0' + key; }

}  // namespace

MasterKey MasterKey::load(const std::string& file) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium does not work here");
  MasterKey key;
  if (char* text = std::getenv("TARN_MASTER_KEY")) {
    bool good = parse_key(text, key.key_);
    sodium_memzero(text, std::strlen(text));
    ::unsetenv("TARN_MASTER_KEY");
    if (!good) throw std::runtime_error("TARN_MASTER_KEY must be 64 hexadecimal digits");
    return key;
  }
  if (const char* command = std::getenv("TARN_MASTER_KEY_COMMAND")) {
    FILE* pipe = ::popen(command, "r");
    char buffer[256] = {};
    size_t n = pipe ? std::fread(buffer, 1, sizeof buffer - 1, pipe) : 0;
    int status = pipe ? ::pclose(pipe) : -1;
    bool good = status == 0 && parse_key(std::string(buffer, n), key.key_);
    sodium_memzero(buffer, sizeof buffer);
    if (!good) throw std::runtime_error("TARN_MASTER_KEY_COMMAND did not print 64 hexadecimal digits");
    return key;
  }
  int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    randombytes_buf(key.key_, sizeof key.key_);
    std::string text = hex_encode(std::string_view(reinterpret_cast<char*>(key.key_), sizeof key.key_)) + "\n";
    fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    sodium_memzero(text.data(), text.size());
    if (fd >= 0) ::close(fd);
    if (!written) throw IoError("cannot write the master key", file);
    return key;
  }
  if (fd < 0) throw IoError("cannot read the master key", file);
  struct stat st{};
  ::fstat(fd, &st);
  char buffer[256] = {};
  ssize_t n = ::read(fd, buffer, sizeof buffer - 1);
  ::close(fd);
  bool good = n > 0 && parse_key(std::string(buffer, static_cast<size_t>(n)), key.key_);
  sodium_memzero(buffer, sizeof buffer);
  if (st.st_mode & 077) throw std::runtime_error("others can read the master key: chmod 600 " + file);
  if (!good) throw std::runtime_error("the master key " + file + " does not hold 64 hexadecimal digits");
  return key;
}

MasterKey::MasterKey(MasterKey&& other) noexcept {
  std::memcpy(key_, other.key_, sizeof key_);
  sodium_memzero(other.key_, sizeof other.key_);
}

MasterKey::~MasterKey() { sodium_memzero(key_, sizeof key_); }

std::string MasterKey::seal(std::string_view plain, std::string_view name) const {
  std::string out(kNonce + plain.size() + kTag, '\0');
  auto* at = reinterpret_cast<unsigned char*>(out.data());
  randombytes_buf(at, kNonce);
  unsigned long long length = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(at + kNonce, &length, bytes(plain), plain.size(), bytes(name), name.size(), nullptr, at, key_);
  return out;
}

std::optional<std::string> MasterKey::open(std::string_view sealed, std::string_view name) const {
  if (sealed.size() < kNonce + kTag) return std::nullopt;
  std::string out(sealed.size() - kNonce - kTag, '\0');
  unsigned long long length = 0;
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(reinterpret_cast<unsigned char*>(out.data()), &length, nullptr, bytes(sealed) + kNonce,
                                                 sealed.size() - kNonce, bytes(name), name.size(), bytes(sealed), key_) != 0) {
    return std::nullopt;
  }
  return out;
}

Vault::Vault(Metadata& metadata, MasterKey key) : metadata_(metadata), key_(std::move(key)) { metadata_.migrate("secrets", kSteps); }

namespace {
Scope read(Statement& r) { return {r.integer(0), r.text(1), r.integer(2) != 0, r.text(3), r.text(4)}; }
}  // namespace

std::vector<Scope> Vault::scopes() const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT id, name, key_vault, resource_id, dns_name FROM secret_scopes ORDER BY lower(name)");
  std::vector<Scope> out;
  while (query.step()) out.push_back(read(query));
  return out;
}

std::optional<Scope> Vault::scope(std::string_view name) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT id, name, key_vault, resource_id, dns_name FROM secret_scopes WHERE lower(name) = ?");
  if (!query.bind(lower_ascii(name)).step()) return std::nullopt;
  return read(query);
}

std::optional<Scope> Vault::create_scope(Scope scope) {
  auto db = metadata_.lease();
  auto id = Statement(*db, "INSERT INTO secret_scopes (name, key_vault, resource_id, dns_name) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id")
                .bind(scope.name).bind(scope.key_vault ? 1 : 0).bind(scope.resource_id).bind(scope.dns_name).returned();
  if (!id) return std::nullopt;
  scope.id = *id;
  return scope;
}

void Vault::delete_scope(int64_t id) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM secret_scopes WHERE id = ?").bind(id).run();
}

Vault::Put Vault::put(const Scope& scope, const std::string& key, std::string_view value) {
  return metadata_.transact("secrets", [&](Connection& db) {
    Statement count(db, "SELECT count(*) FROM secrets WHERE scope = ? AND key <> ?");
    if (count.bind(scope.id).bind(key).returned() >= kMaxSecrets) return Put::kFull;
    Statement(db, "INSERT INTO secrets VALUES (?, ?, ?, ?) ON CONFLICT (scope, key) DO UPDATE SET sealed = excluded.sealed, updated_ms = excluded.updated_ms")
        .bind(scope.id).bind(key).bind_blob(key_.seal(value, name_of(scope, key))).bind(now_ms()).run();
    return Put::kDone;
  });
}

std::optional<std::string> Vault::get(const Scope& scope, const std::string& key) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT sealed FROM secrets WHERE scope = ? AND key = ?");
  if (!query.bind(scope.id).bind(key).step()) return std::nullopt;
  auto value = key_.open(query.text(0), name_of(scope, key));
  if (!value) throw std::runtime_error("a secret of the scope " + scope.name + " cannot be opened: was it sealed with another master key?");
  return value;
}

std::vector<SecretMetadata> Vault::list(const Scope& scope) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT key, updated_ms FROM secrets WHERE scope = ? ORDER BY key");
  query.bind(scope.id);
  std::vector<SecretMetadata> out;
  while (query.step()) out.push_back({query.text(0), query.integer(1)});
  return out;
}

bool Vault::remove(const Scope& scope, const std::string& key) {
  auto db = metadata_.lease();
  Statement(*db, "DELETE FROM secrets WHERE scope = ? AND key = ?").bind(scope.id).bind(key).run();
  return db->changes() > 0;
}

}  // namespace tarn::secrets
