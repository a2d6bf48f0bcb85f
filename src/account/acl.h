#pragma once
// POSIX access control lists as Data Lake Storage writes them: "user::rwx,group::r-x,other::---,default:user:OID:r--".
// Source: "Access control lists (ACLs) in Azure Data Lake Storage".
#include <string>
#include <string_view>
#include <vector>

namespace tarn::account {

struct AclEntry {
  bool is_default = false;
  std::string type;        // user, group, mask, other
  std::string id;          // "": the owner, the owning group; always "" of mask and other
  int bits = 0;            // r 4, w 2, x 1
};

class Acl {
 public:
  // StorageError InvalidInput. with_bits false: entries without rights, as mode=remove takes them.
  static Acl parse(std::string_view text, bool with_bits = true);
  static Acl of_mode(int mode);                       // 0750
  // "rwxr-x---" (with t or T last and a + at the end) or "0750". StorageError InvalidInput.
  static int parse_mode(std::string_view text, bool* sticky);

  // A list that takes the place of another: must have the owner's, the group's and the others' entry (and so must its default part, if
  // there is any); the mask is worked out if there are named entries without one.
  void complete();
  // chmod: user, mask or group, other.
  void set_mode(int mode);
  int mode() const;                                   // of the access entries; the mask stands for the group where there is one
  bool has_default() const;
  bool extended() const;                              // named entries, a mask or a default part
  std::string permissions() const;                    // "rwxr-x---", + if extended
  std::string text() const;

  void merge(const Acl& changes, bool directory);     // mode=modify
  void remove(const Acl& entries);                    // mode=remove
  void drop_default();
  // What a child of a directory with this list begins with: from the default part if there is one, else from mode & ~umask.
  Acl inherited(bool directory, int mode, int umask) const;
  // The rights of somebody: is_owner, the groups he is in, his object ids.
  bool allows(int bits, bool is_owner, bool in_group, const std::vector<std::string>& ids) const;

  const std::vector<AclEntry>& entries() const { return entries_; }

 private:
  AclEntry* find(bool is_default, std::string_view type, std::string_view id);
  const AclEntry* find(bool is_default, std::string_view type, std::string_view id) const;
  void work_out_mask(bool is_default);
  std::vector<AclEntry> entries_;
};

}  // namespace tarn::account
