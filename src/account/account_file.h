#pragma once
// The account's name and keys in the home of the workspace.
#include <string>

#include "account/authorizer.h"

namespace tarn::account {

// Reads FILE (JSON: account, key1, key2, delegation_seed), or makes it (mode 0600) with new keys for this account. std::runtime_error if
// others can read it, or if it is for another account. name: 3 to 24 of a-z and 0-9.
AccountKeys load_account(const std::string& file, const std::string& name);
// Reads it without making it. IoError.
AccountKeys read_account(const std::string& file);
bool is_account_name(const std::string& name);

// "DefaultEndpointsProtocol=…;AccountName=…;AccountKey=…;BlobEndpoint=…;DfsEndpoint=…". address: of the workspace, "https://host:port".
std::string connection_string(const AccountKeys& keys, const std::string& address);
// Of the blob or the dfs service: by host name where the workspace has one, else by path.
std::string endpoint(const AccountKeys& keys, const std::string& address, const char* service);

}  // namespace tarn::account
