#include "account/acl.h"

#include <algorithm>

#include "account/error.h"

namespace tarn::account {
namespace {

constexpr size_t kMaxEntries = 64;   // 32 access and 32 default entries

StorageError invalid(const std::string& what) { return StorageError("InvalidInput", what); }

int parse_bits(std::string_view s) {
  if (s.size() != 3) throw invalid("the rights of an ACL entry are three of r, w, x and -");
  int bits = 0;
  for (int i = 0; i < 3; ++i) {
    if (s[static_cast<size_t>(i)] == "rwx"[i]) bits |= 4 >> i;
    else if (s[static_cast<size_t>(i)] != '-') throw invalid("the rights of an ACL entry are three of r, w, x and -");
  }
  return bits;
}

std::string bits_text(int bits) { return {bits & 4 ? 'r' : '-', bits & 2 ? 'w' : '-', bits & 1 ? 'x' : '-'}; }

int rank(const AclEntry& e) {
  int type = e.type == "user" ? 0 : e.type == "group" ? 2 : e.type == "mask" ? 4 : 5;
  return (e.is_default ? 10 : 0) + type + (e.id.empty() ? 0 : 1);
}

}  // namespace

Acl Acl::parse(std::string_view text, bool with_bits) {
  Acl acl;
  size_t at = 0;
  while (at <= text.size() && !text.empty()) {
    size_t end = std::min(text.find(',', at), text.size());
    std::string_view part = text.substr(at, end - at);
    at = end + 1;
    AclEntry e;
    if (part.starts_with("default:")) {
      e.is_default = true;
      part.remove_prefix(8);
    }
    std::vector<std::string_view> fields;
    for (size_t i = 0; i <= part.size();) {
      size_t colon = std::min(part.find(':', i), part.size());
      fields.push_back(part.substr(i, colon - i));
      i = colon + 1;
    }
    if (fields.size() == 3 && with_bits) e.bits = parse_bits(fields[2]);
    else if (with_bits || (fields.size() != 2 && fields.size() != 1)) throw invalid("an ACL entry is [default:]type:id:rights");
    e.type = fields[0];
    if (fields.size() > 1) e.id = fields[1];
    bool known = e.type == "user" || e.type == "group" || ((e.type == "mask" || e.type == "other") && e.id.empty());
    if (!known || e.id.size() > 128) throw invalid("an ACL entry is of a user, a group, the mask or others");
    if (acl.find(e.is_default, e.type, e.id)) throw invalid("an ACL entry is given twice");
    acl.entries_.push_back(std::move(e));
    if (acl.entries_.size() > kMaxEntries) throw invalid("an ACL has at most 32 entries");
  }
  return acl;
}

Acl Acl::of_mode(int mode) {
  Acl acl;
  acl.entries_ = {{false, "user", "", mode >> 6 & 7}, {false, "group", "", mode >> 3 & 7}, {false, "other", "", mode & 7}};
  return acl;
}

int Acl::parse_mode(std::string_view text, bool* sticky) {
  *sticky = false;
  if (text.size() == 4 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; })) {
    if (text[0] != '0' && text[0] != '1') throw invalid("permissions are four octal digits or rwxrwxrwx");
    *sticky = text[0] == '1';
    return (text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0');
  }
  std::string s(text);
  if (s.size() == 10 && s.back() == '+') s.pop_back();
  if (s.size() != 9) throw invalid("permissions are four octal digits or rwxrwxrwx");
  if (s[8] == 't' || s[8] == 'T') {
    *sticky = true;
    s[8] = s[8] == 't' ? 'x' : '-';
  }
  return parse_bits(std::string_view(s).substr(0, 3)) << 6 | parse_bits(std::string_view(s).substr(3, 3)) << 3 | parse_bits(std::string_view(s).substr(6, 3));
}

const AclEntry* Acl::find(bool is_default, std::string_view type, std::string_view id) const {
  auto it = std::find_if(entries_.begin(), entries_.end(), [&](const AclEntry& e) { return e.is_default == is_default && e.type == type && e.id == id; });
  return it == entries_.end() ? nullptr : &*it;
}

AclEntry* Acl::find(bool is_default, std::string_view type, std::string_view id) {
  return const_cast<AclEntry*>(static_cast<const Acl*>(this)->find(is_default, type, id));
}

void Acl::work_out_mask(bool is_default) {
  int bits = 0;
  bool named = false;
  for (const auto& e : entries_) {
    if (e.is_default != is_default || !(e.type == "group" || (e.type == "user" && !e.id.empty()))) continue;
    bits |= e.bits;
    named |= !e.id.empty();
  }
  AclEntry* mask = find(is_default, "mask", "");
  if (mask) mask->bits = bits;
  else if (named) entries_.push_back({is_default, "mask", "", bits});
}

void Acl::complete() {
  for (bool d : {false, true}) {
    if (d && !has_default()) continue;
    for (const char* type : {"user", "group", "other"}) {
      if (!find(d, type, "")) throw invalid(std::string("the ACL lacks the entry ") + (d ? "default:" : "") + type + "::");
    }
    if (!find(d, "mask", "")) work_out_mask(d);
  }
}

void Acl::set_mode(int mode) {
  find(false, "user", "")->bits = mode >> 6 & 7;
  AclEntry* mask = find(false, "mask", "");
  (mask ? mask : find(false, "group", ""))->bits = mode >> 3 & 7;
  find(false, "other", "")->bits = mode & 7;
}

int Acl::mode() const {
  auto bits = [&](const char* type) {
    const AclEntry* e = find(false, type, "");
    return e ? e->bits : 0;
  };
  return bits("user") << 6 | (find(false, "mask", "") ? bits("mask") : bits("group")) << 3 | bits("other");
}

bool Acl::has_default() const { return std::any_of(entries_.begin(), entries_.end(), [](const AclEntry& e) { return e.is_default; }); }

bool Acl::extended() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const AclEntry& e) { return e.is_default || !e.id.empty() || e.type == "mask"; });
}

std::string Acl::permissions() const {
  int m = mode();
  return bits_text(m >> 6 & 7) + bits_text(m >> 3 & 7) + bits_text(m & 7) + (extended() ? "+" : "");
}

std::string Acl::text() const {
  auto sorted = entries_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const AclEntry& a, const AclEntry& b) { return rank(a) < rank(b); });
  std::string out;
  for (const auto& e : sorted) out += (out.empty() ? "" : ",") + std::string(e.is_default ? "default:" : "") + e.type + ":" + e.id + ":" + bits_text(e.bits);
  return out;
}

void Acl::merge(const Acl& changes, bool directory) {
  bool touched[2] = {false, false}, mask_given[2] = {false, false};
  for (const auto& e : changes.entries_) {
    if (e.is_default && !directory) continue;
    touched[e.is_default] = true;
    mask_given[e.is_default] |= e.type == "mask";
    if (AclEntry* mine = find(e.is_default, e.type, e.id)) mine->bits = e.bits;
    else entries_.push_back(e);
  }
  if (has_default()) {  // a default part begins as a copy of the access entries
    for (const char* type : {"user", "group", "other"}) {
      if (!find(true, type, "")) entries_.push_back({true, type, "", find(false, type, "")->bits});
    }
  }
  for (bool d : {false, true}) {
    if (touched[d] && !mask_given[d]) work_out_mask(d);
  }
}

void Acl::remove(const Acl& entries) {
  bool touched[2] = {false, false};
  for (const auto& gone : entries.entries_) {
    if (gone.id.empty() && !gone.is_default && gone.type != "mask") throw invalid("the entries of the owner, the owning group and others cannot be removed");
    touched[gone.is_default] |= std::erase_if(entries_, [&](const AclEntry& e) { return e.is_default == gone.is_default && e.type == gone.type && e.id == gone.id; }) > 0;
  }
  for (bool d : {false, true}) {
    if (!touched[d]) continue;
    bool named = std::any_of(entries_.begin(), entries_.end(), [&](const AclEntry& e) { return e.is_default == d && !e.id.empty(); });
    if (named) work_out_mask(d);
    else std::erase_if(entries_, [&](const AclEntry& e) { return e.is_default == d && e.type == "mask"; });
  }
}

void Acl::drop_default() { std::erase_if(entries_, [](const AclEntry& e) { return e.is_default; }); }

Acl Acl::inherited(bool directory, int mode, int umask) const {
  if (!has_default()) return of_mode(mode & ~umask);
  Acl child;
  for (const auto& e : entries_) {
    if (!e.is_default) continue;
    AclEntry access = e;
    access.is_default = false;
    child.entries_.push_back(access);
    if (directory) child.entries_.push_back(e);
  }
  child.set_mode(child.mode() & mode);
  return child;
}

bool Acl::allows(int bits, bool is_owner, bool in_group, const std::vector<std::string>& ids) const {
  auto has = [&](int b) { return (b & bits) == bits; };
  if (is_owner) return has(find(false, "user", "")->bits);
  const AclEntry* mask = find(false, "mask", "");
  int cut = mask ? mask->bits : 7;
  auto mine = [&](const AclEntry& e) { return !e.is_default && !e.id.empty() && std::find(ids.begin(), ids.end(), e.id) != ids.end(); };
  for (const auto& e : entries_) {
    if (e.type == "user" && mine(e)) return has(e.bits & cut);
  }
  bool any = false;
  for (const auto& e : entries_) {
    if (e.type != "group" || e.is_default || !(e.id.empty() ? in_group : mine(e))) continue;
    any = true;
    if (has(e.bits & cut)) return true;
  }
  return any ? false : has(find(false, "other", "")->bits);
}

}  // namespace tarn::account
