#include "vault/access_policies.h"

#include <algorithm>
#include <iterator>

namespace tarn::vault {
namespace {

constexpr const char* kSteps[] = {
    "CREATE TABLE key_vault_policies (vault TEXT NOT NULL, principal INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE, permission TEXT NOT NULL, "
    "PRIMARY KEY (vault, principal, permission)) WITHOUT ROWID;",
};
constexpr const char* kPermissions[] = {"get", "list", "set", "delete", "recover", "backup", "restore", "purge"};

}  // namespace

bool is_secret_permission(std::string_view name) { return std::find(std::begin(kPermissions), std::end(kPermissions), name) != std::end(kPermissions); }

AccessPolicies::AccessPolicies(Metadata& metadata, std::string vault) : metadata_(metadata), vault_(std::move(vault)) { metadata_.migrate("vault.policies", kSteps); }

std::vector<std::pair<int64_t, std::vector<std::string>>> AccessPolicies::all() const {
  auto db = metadata_.lease();
  Statement q(*db, "SELECT principal, permission FROM key_vault_policies WHERE vault = ? ORDER BY principal, permission");
  q.bind(vault_);
  std::vector<std::pair<int64_t, std::vector<std::string>>> out;
  while (q.step()) {
    if (out.empty() || out.back().first != q.integer(0)) out.push_back({q.integer(0), {}});
    out.back().second.push_back(q.text(1));
  }
  return out;
}

std::vector<std::string> AccessPolicies::of(int64_t principal) const {
  for (auto& [who, permissions] : all()) {
    if (who == principal) return permissions;
  }
  return {};
}

void AccessPolicies::replace(int64_t principal, const std::vector<std::string>& permissions) {
  metadata_.transact("vault.policies", [&](Connection& db) {
    Statement(db, "DELETE FROM key_vault_policies WHERE vault = ? AND principal = ?").bind(vault_).bind(principal).run();
    for (const auto& p : permissions) {
      Statement(db, "INSERT INTO key_vault_policies VALUES (?, ?, ?) ON CONFLICT DO NOTHING").bind(vault_).bind(principal).bind(p).run();
    }
  });
}

bool AccessPolicies::allows(const http::Principal& caller, std::string_view permission) const {
  auto db = metadata_.lease();
  Statement q(*db, "SELECT principal FROM key_vault_policies WHERE vault = ? AND permission = ?");
  q.bind(vault_).bind(permission);
  while (q.step()) {
    if (caller.is(q.integer(0))) return true;
  }
  return false;
}

}  // namespace tarn::vault
