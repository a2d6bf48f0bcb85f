#pragma once
// Secrets with versions, as an Azure Key Vault keeps them: sealed under the workspace's master key, deleted ones recoverable for 90 days.
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "secrets/vault.h"

namespace tarn::vault {

constexpr int kRecoverableDays = 90;

struct SecretVersion {
  int64_t row = 0;                       // grows with every version
  std::string name, version;             // version: 32 hexadecimal digits
  std::string value;                     // only where it was asked for
  std::string content_type;
  std::map<std::string, std::string> tags;
  bool enabled = true;
  std::optional<int64_t> not_before, expires;   // seconds
  int64_t created = 0, updated = 0;             // seconds
};

struct DeletedSecret {
  SecretVersion latest;
  int64_t deleted = 0, purge = 0;        // seconds
};

enum class State { kNone, kActive, kDeleted };

// Thread-safe. Names are found without regard to case. All of one vault.
class SecretStore {
 public:
  SecretStore(Metadata& metadata, const secrets::MasterKey& key, std::string vault);

  State state(const std::string& name) const;
  SecretVersion set(SecretVersion secret);                                              // a new version; the name must not be deleted
  // The version, or the latest for "". Of an active secret.
  std::optional<SecretVersion> get(const std::string& name, const std::string& version, bool with_value) const;
  void update(const SecretVersion& secret);                                             // everything but the value
  std::vector<SecretVersion> versions(const std::string& name, const std::string& after, size_t limit) const;   // by version
  std::vector<SecretVersion> latest(const std::string& after, size_t limit) const;      // one a secret, by name

  std::optional<DeletedSecret> remove(const std::string& name);
  std::optional<DeletedSecret> deleted(const std::string& name) const;
  std::vector<DeletedSecret> all_deleted(const std::string& after, size_t limit) const;
  bool recover(const std::string& name);
  bool purge(const std::string& name);

  std::optional<std::string> backup(const std::string& name) const;                     // sealed: opens under the same master key only
  enum class Restored { kDone, kNotOurs, kNameTaken };
  Restored restore(std::string_view sealed, SecretVersion* latest);

 private:
  std::string sealed_name(const std::string& name, const std::string& version) const;
  void sweep(Connection& db) const;
  Metadata& metadata_;
  const secrets::MasterKey& key_;
  std::string vault_;
};

}  // namespace tarn::vault
