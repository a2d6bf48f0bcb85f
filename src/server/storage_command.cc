// `tarn storage`: how clients reach the storage account of a home.
#include <cstdio>

#include "account/account_file.h"
#include "base/encoding.h"
#include "server/command.h"
#include "server/pid_file.h"

namespace tarn::server {

int run_storage(const Arguments& arguments) {
  std::string home = home_of(arguments.settings);
  account::AccountKeys keys;
  try {
    keys = account::read_account(home + "/storage-account.json");
  } catch (const std::exception& e) {
    throw CommandError(std::string(e.what()) + ": `tarn server` makes it at its first start");
  }
  auto process = running(home + "/server.pid");
  std::string address = process ? process->address : "";
  std::printf("account = %s\n", keys.account.c_str());
  for (size_t i = 0; i < keys.keys.size(); ++i) std::printf("key%zu = %s\n", i + 1, base64_encode(keys.keys[i]).c_str());
  if (address.empty()) {
    std::printf("# the workspace does not run: its address is not known\n");
    return 0;
  }
  std::printf("blob_endpoint = %s\n", account::endpoint(keys, address, "blob").c_str());
  std::printf("dfs_endpoint = %s\n", account::endpoint(keys, address, "dfs").c_str());
  std::printf("connection_string = %s\n", account::connection_string(keys, address).c_str());
  return 0;
}

}  // namespace tarn::server
