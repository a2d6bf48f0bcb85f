#pragma once
// Scopes and the secrets in them. Values are sealed (XChaCha20-Poly1305) with the master key; scope and key are authenticated with them,
// so that a row moved to another name does not open.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "http/principal.h"

namespace tarn::secrets {

// 32 bytes, wiped at the end. From the variable TARN_MASTER_KEY (64 hexadecimal digits; removed from the environment), from what
// TARN_MASTER_KEY_COMMAND prints, or from the file, which is made (0600) if it is missing. std::runtime_error if there is none of use.
class MasterKey {
 public:
  static MasterKey load(const std::string& file);
  MasterKey(MasterKey&&) noexcept;
  ~MasterKey();
  // name: authenticated, not stored.
  std::string seal(std::string_view plain, std::string_view name) const;
  std::optional<std::string> open(std::string_view sealed, std::string_view name) const;

 private:
  MasterKey() = default;
  unsigned char key_[32] = {};
};

struct Scope {
  int64_t id = 0;
  std::string name;                        // found without regard to case
  bool key_vault = false;                  // read through from an Azure Key Vault; metadata below
  std::string resource_id, dns_name;
};

struct SecretMetadata {
  std::string key;
  int64_t updated_ms = 0;
};

// Reads the secrets of scopes that are backed by an Azure Key Vault. Thread-safe. RestError for whatever prevents it.
class KeyVaultReader {
 public:
  virtual ~KeyVaultReader() = default;
  // Whether the caller may make a scope of this vault: who may read the scope reads with the workspace's rights.
  virtual void check_new_scope(const http::Principal& caller, const Scope& scope) = 0;
  virtual std::optional<std::string> get(const Scope& scope, const std::string& key) = 0;
  virtual std::vector<SecretMetadata> list(const Scope& scope) = 0;
};

// Thread-safe.
class Vault {
 public:
  Vault(Metadata& metadata, MasterKey key);
  std::vector<Scope> scopes() const;                                     // by name
  std::optional<Scope> scope(std::string_view name) const;
  std::optional<Scope> create_scope(Scope scope);                        // nullopt: the name is taken
  void delete_scope(int64_t id);

  enum class Put { kDone, kFull };
  Put put(const Scope& scope, const std::string& key, std::string_view value);   // kFull: 1000 secrets
  std::optional<std::string> get(const Scope& scope, const std::string& key) const;
  std::vector<SecretMetadata> list(const Scope& scope) const;            // by key
  bool remove(const Scope& scope, const std::string& key);
  // Set before the first request; null: scopes of key vaults cannot be read.
  void read_key_vaults_with(KeyVaultReader* reader) { key_vaults_ = reader; }
  KeyVaultReader* key_vaults() const { return key_vaults_; }
  const MasterKey& master_key() const { return key_; }   // for other rooms that seal what they keep

  // For what other rooms keep sealed. name: authenticated, not stored; says what it is ("git-credential/7").
  std::string seal(std::string_view plain, const std::string& name) const { return key_.seal(plain, "other/" + name); }
  std::optional<std::string> open(std::string_view sealed, const std::string& name) const { return key_.open(sealed, "other/" + name); }

  // Is told of every value that is given to a principal. Set before the server listens.
  void on_reveal(std::function<void(int64_t principal, const std::string& value)> watch) { reveal_ = std::move(watch); }
  void revealed(int64_t principal, const std::string& value) const {
    if (reveal_) reveal_(principal, value);
  }

  // "{{secrets/scope/key}}" anywhere in the text replaced by f(scope, key); other text stays.
  template <class F>
  static std::string replace_references(const std::string& text, F&& f) {
    std::string out;
    size_t at = 0;
    for (;;) {
      size_t start = text.find("{{secrets/", at);
      size_t end = start == std::string::npos ? start : text.find("}}", start);
      if (end == std::string::npos) return out + text.substr(at);
      std::string inner = text.substr(start + 10, end - start - 10);
      size_t slash = inner.find('/');
      if (slash == std::string::npos) return out + text.substr(at);
      out += text.substr(at, start - at) + f(inner.substr(0, slash), inner.substr(slash + 1));
      at = end + 2;
    }
  }

 private:
  Metadata& metadata_;
  MasterKey key_;
  std::function<void(int64_t, const std::string&)> reveal_;
  KeyVaultReader* key_vaults_ = nullptr;
};

}  // namespace tarn::secrets
