#pragma once
// Who may do what with which object: levels in an order, direct entries, inheritance from parents. One mechanism for clusters, folders,
// notebooks, jobs, secret scopes and whatever comes; a kind of object is one ObjectType.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/directory.h"

namespace tarn::identity {

struct ObjectRef {
  std::string type, id;    // "notebooks", "123": as in /api/2.0/permissions/notebooks/123
  bool operator==(const ObjectRef&) const = default;
};

struct ObjectType {
  std::string type;                          // "notebooks"
  std::string singular;                      // "notebook": object_type of the answer
  std::vector<std::string> levels;           // from the weakest to the strongest; each includes those before it
  std::function<bool(const std::string& id)> exists;
  std::function<std::optional<ObjectRef>(const std::string& id)> parent;   // may be null: none
  bool admins_manage = true;                 // admins hold the strongest level of every object
  std::vector<std::string> descriptions;     // of the levels, may be empty
};

struct AclEntry {
  int64_t principal = 0;
  std::string level;
  std::optional<ObjectRef> inherited_from;   // nullopt: direct
};

// Thread-safe once the types are in.
class AccessControl {
 public:
  AccessControl(Metadata& metadata, Directory& directory);
  void add_type(ObjectType type);
  const ObjectType* type(std::string_view name) const;

  // Position of the strongest level that the caller holds, -1 for none.
  int level(const http::Principal& caller, const ObjectRef& object) const;
  bool allows(const http::Principal& caller, const ObjectRef& object, std::string_view level) const;
  // RestError PERMISSION_DENIED; what: "Cluster 0101-…" for the message.
  void require(const http::Principal& caller, const ObjectRef& object, std::string_view level, const std::string& what) const;

  std::vector<AclEntry> direct(const ObjectRef& object) const;
  std::vector<AclEntry> effective(const ObjectRef& object) const;   // direct ones first, then of the parents upward
  void grant(const ObjectRef& object, int64_t principal, const std::string& level);   // takes the place of the principal's entry
  bool revoke(const ObjectRef& object, int64_t principal);
  void replace(const ObjectRef& object, const std::vector<AclEntry>& entries);
  void forget(const ObjectRef& object);                             // the object is gone

  Directory& directory() const { return directory_; }

 private:
  Metadata& metadata_;
  Directory& directory_;
  std::map<std::string, ObjectType, std::less<>> types_;
};

}  // namespace tarn::identity
