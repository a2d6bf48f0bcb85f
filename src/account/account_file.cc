#include "account/account_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/rooted_folder.h"

namespace tarn::account {
namespace {

using nlohmann::json;

constexpr size_t kKeyBytes = 64;

std::string random_bytes(size_t n) {
  std::string hex = random_hex(n), out;
  for (size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

}  // namespace

bool is_account_name(const std::string& name) {
  // Path-style URLs begin with the name: it must not be the first word of another API.
  for (const char* taken : {"api", "oidc", "health", "metrics", "secrets", "common", "organizations", "deletedsecrets", "subscriptions"}) {
    if (name == taken) return false;
  }
  return name.size() >= 3 && name.size() <= 24 && std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

AccountKeys read_account(const std::string& file) {
  Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw IoError("cannot read the storage account's keys", file);
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) throw IoError("cannot read the storage account's keys", file);
  if (st.st_mode & 077) throw std::runtime_error("others can read the storage account's keys: chmod 600 " + file);
  std::string text(4096, '\0');
  text.resize(fd.read_at(text.data(), text.size(), 0));
  json j = json::parse(text, nullptr, false);
  AccountKeys keys;
  if (j.is_object()) {
    keys.account = j.value("account", "");
    for (const char* name : {"key1", "key2"}) {
      auto key = base64_decode(j.value(name, ""));
      if (key && key->size() >= 32) keys.keys.push_back(*key);
    }
    keys.delegation_seed = base64_decode(j.value("delegation_seed", "")).value_or("");
  }
  if (!is_account_name(keys.account) || keys.keys.empty() || keys.delegation_seed.size() < 32) {
    throw std::runtime_error("the file of the storage account does not hold a name and keys: " + file);
  }
  return keys;
}

AccountKeys load_account(const std::string& file, const std::string& name) {
  if (!is_account_name(name)) throw std::runtime_error("the name of a storage account is 3 to 24 of a-z and 0-9, and no word of another API: " + name);
  if (::access(file.c_str(), F_OK) != 0) {
    json j = {{"account", name}, {"key1", base64_encode(random_bytes(kKeyBytes))}, {"key2", base64_encode(random_bytes(kKeyBytes))},
              {"delegation_seed", base64_encode(random_bytes(32))}};
    Descriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) throw IoError("cannot write the storage account's keys", file);
    fd.write(j.dump(1) + "\n");
    if (::fsync(fd.get()) != 0) throw IoError("cannot write the storage account's keys", file);
  }
  AccountKeys keys = read_account(file);
  if (keys.account != name) throw std::runtime_error("this home has the storage account " + keys.account + ", not " + name);
  return keys;
}

std::string endpoint(const AccountKeys& keys, const std::string& address, const char* service) {
  size_t host = address.find("://") + 3;
  std::string name = address.substr(host, address.rfind(':') - host);
  bool number = !name.empty() && (name.back() == ']' || std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) || c == '.'; }));
  // Names under .localhost are this machine's by RFC 6761; an address has no names under it.
  return number || name.find('.') == std::string::npos ? address + "/" + keys.account : address.substr(0, host) + keys.account + "." + service + "." + address.substr(host);
}

std::string connection_string(const AccountKeys& keys, const std::string& address) {
  return "DefaultEndpointsProtocol=" + address.substr(0, address.find(':')) + ";AccountName=" + keys.account + ";AccountKey=" + base64_encode(keys.keys[0]) +
         ";BlobEndpoint=" + endpoint(keys, address, "blob") + ";DfsEndpoint=" + endpoint(keys, address, "dfs");
}

}  // namespace tarn::account
