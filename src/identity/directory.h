#pragma once
// Users, service principals and groups.
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "http/principal.h"

namespace tarn::identity {

using Json = nlohmann::json;

enum class Kind { kUser, kServicePrincipal, kGroup };

struct Entry {
  int64_t id = 0;
  Kind kind = Kind::kUser;
  std::string name;          // userName, applicationId or the group's displayName; unique in its kind without regard to case
  std::string display_name;
  bool active = true;
  Json attributes = Json::object();   // what SCIM keeps besides: name, emails, entitlements, roles, externalId
  int64_t created_ms = 0;
};

// Thread-safe. The groups "admins" and "users" always exist; every user and service principal is in "users".
class Directory {
 public:
  explicit Directory(Metadata& metadata);

  bool empty() const;                                                  // no user yet
  std::optional<Entry> get(int64_t id) const;
  std::optional<Entry> get(Kind kind, int64_t id) const;
  std::optional<Entry> find(Kind kind, std::string_view name) const;
  std::vector<Entry> list(Kind kind) const;                            // by id
  // nullopt if the name is taken. The creation hooks have run when it returns.
  std::optional<Entry> create(Entry entry);
  void update(const Entry& entry);                                     // display_name, active, attributes
  void remove(int64_t id);
  std::vector<Entry> groups_of(int64_t member) const;                  // direct ones
  std::vector<Entry> members_of(int64_t group) const;
  void add_member(int64_t group, int64_t member);
  void remove_member(int64_t group, int64_t member);
  // Whether another active user or service principal than this one is an admin.
  bool has_other_admin(int64_t id) const;

  // Who a credential of this owner speaks for; nullopt if it is gone or inactive.
  std::optional<http::Principal> principal(int64_t id) const;
  int64_t admins() const { return admins_; }
  int64_t users() const { return users_; }
  // Called for each new user, and at once for those that exist.
  void on_user(std::function<void(const Entry&)> hook);

 private:
  Metadata& metadata_;
  int64_t admins_ = 0, users_ = 0;
  std::vector<std::function<void(const Entry&)>> hooks_;  // set up before the server listens
};

}  // namespace tarn::identity
