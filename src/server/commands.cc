#include <algorithm>
#include <cstdio>

#include "server/command.h"

namespace tarn::server {

Option home_option() { return {"home", "DIR", "", "the folder of everything Tarn keeps (default ~/.tarn)", true}; }
Option log_level_option() { return {"log-level", "LEVEL", "info", "debug, info, warn or error", true}; }

const std::vector<Command>& commands() {
  static const auto* kCommands = new std::vector<Command>{
      {"server", "The workspace, in the foreground: REST APIs, clusters and their Spark Connect endpoints on one port.", "",
       {{"listen", "HOST:PORT", "127.0.0.1:8443", "where the workspace listens; port 0 picks a free one", true},
        home_option(),
        {"database", "URL", "", "PostgreSQL for the workspace's metadata, postgresql://USER@HOST/DATABASE (default: workspace.db in the home); never with a password on the command line", true, 0, false, true},
        {"database-file", "FILE", "", "a file with that URL, which others cannot read", true},
        {"standby", "", "", "wait while another server has this database (or home), and take over when it is gone"},
        {"tls-cert", "FILE", "", "certificate chain (PEM): TLS", true},
        {"tls-key", "FILE", "", "its private key (PEM)", true},
        {"admin", "NAME", "admin@localhost", "the user that is made in an empty home", true},
        {"session-idle-minutes", "N", "480", "a browser that has signed in is asked again after this time without a request", true},
        {"session-hours", "N", "168", "and after this time in any case", true},
        {"storage-account", "NAME", "tarnlake", "the name of the workspace's own storage account", true},
        {"key-vault", "NAME", "tarnvault", "the name of the workspace's own key vault", true},
        {"azure-authority", "URL", "https://login.microsoftonline.com", "where the workspace's identity for key vaults elsewhere gets its tokens", true},
        {"azure-tenant", "ID", "", "the tenant of that identity", true},
        {"azure-client-id", "ID", "", "its client ID", true},
        {"azure-client-secret-file", "FILE", "", "a file with its client secret", true},
        {"tenant", "UUID", "00000000-0000-0000-0000-000000000000", "the tenant that the storage account and the key vault name to clients", true},
        {"python", "PROGRAM", "", "the interpreter below the clusters' environments (default: PYSPARK_PYTHON, else one that has pyspark)", true},
        {"allowed-hosts", "HOSTS", "github.com,gitlab.com,bitbucket.org,dev.azure.com",
         "hosts, with commas between, that URLs of users may name (git folders, package indexes); *.HOST: all below it", true},
        log_level_option()}, run_server},
      {"cluster", "A Spark Connect endpoint, in the foreground.", "",
       {{"listen", "HOST:PORT", "127.0.0.1:15002", "where Spark Connect listens; port 0 picks a free one", true},
        home_option(),
        {"token-file", "FILE", "", "bearer tokens, one a line (TOKEN, TOKEN USER or TOKEN @relay); without it only loopback addresses", true},
        {"memory", "SIZE", "", "the most memory queries take, e.g. 4G (default: three quarters of the machine)", true},
        {"threads", "N", "0", "threads for queries; 0: one a core", true},
        {"max-operations", "N", "0", "plans that run at the same time; 0: four a core, at least 16", true},
        {"tls-cert", "FILE", "", "certificate chain (PEM): TLS", true},
        {"tls-key", "FILE", "", "its private key (PEM)", true},
        {"metrics-listen", "HOST:PORT", "", "plain HTTP with GET /health and GET /metrics", true},
        {"session-timeout", "MINUTES", "60", "an idle session ends after this time", true},
        {"python", "PROGRAM", "", "the interpreter of Python functions (default: PYSPARK_PYTHON, else a python3 that has pyspark)", true},
        {"conf", "KEY=VALUE", "", "a Spark configuration every session starts with; may be repeated", false, 0, true},
        {"conf-file", "FILE", "", "more of them, KEY=VALUE a line: for values that must not show in the list of processes", true},
        {"warehouse", "DIR", "", "where managed tables lie (default: warehouse in the home)", true},
        {"control", "", "", "standard input is a workspace's socket (server/control_channel.h)"},
        log_level_option()}, run_cluster},
      {"start", "Starts a cluster (or the workspace) of one home in the background.", "[cluster|server] [-- OPTIONS]", {home_option()}, run_start},
      {"stop", "Stops what `tarn start` started.", "[cluster|server]", {home_option()}, run_stop},
      {"status", "Says what runs; status 1 if nothing does.", "", {home_option()}, run_status},
      {"logs", "Shows the end of a log.", "[cluster|server]",
       {home_option(), {"lines", "N", "50", "how many lines", false, 'n'}, {"follow", "", "", "go on as lines come", false, 'f'}}, run_logs},
      {"sql", "Runs SQL on a cluster: interactively, from the command line or from a file.", "",
       {{"command", "SQL", "", "run these statements and leave", false, 'c'},
        {"file", "FILE", "", "run the statements of this file and leave (- is standard input)", false, 'f'},
        {"remote", "URL", "sc://localhost:15002", "the cluster: sc://HOST:PORT/;token=...", true},
        {"output", "FORMAT", "table", "table, csv or json"},
        home_option()}, run_sql},
      {"storage", "Shows the keys, the endpoints and the connection string of the workspace's storage account.", "", {home_option()}, run_storage},
      {"user", "Sets a user's password, which is read from the terminal or from standard input; the user's sessions end.", "password NAME", {home_option()}, run_user},
      {"config", "Shows every setting and where its value comes from.", "", {home_option()}, run_config},
      {"version", "Shows the version.", "", {}, run_version},
  };
  return *kCommands;
}

const Command* find_command(std::string_view name) {
  const auto& all = commands();
  auto it = std::find_if(all.begin(), all.end(), [&](const Command& c) { return c.name == name; });
  return it == all.end() ? nullptr : &*it;
}

int run_version(const Arguments&) {
  std::puts("tarn " TARN_VERSION);
  return 0;
}

int run_config(const Arguments& arguments) {
  for (const auto& command : commands()) {
    bool any = std::any_of(command.options.begin(), command.options.end(), [](const Option& o) { return o.setting && o.name != "home"; });
    if (!any || !std::any_of(command.options.begin(), command.options.end(), [](const Option& o) { return o.name == "home"; })) continue;
    Settings settings;
    if (arguments.settings.given("home")) settings.set("home", arguments.settings.all().find("home")->second);
    complete(command, &settings);
    std::printf("[%s]\n", std::string(command.name).c_str());
    for (const auto& option : command.options) {
      if (!option.setting) continue;
      const Setting& s = settings.all().find(option.name)->second;
      bool hide = option.secret && !s.value.empty();
      std::printf("%s = \"%s\"  # %s\n", std::string(option.name).c_str(), hide ? "(not shown)" : s.value.c_str(), s.origin.c_str());
    }
    std::puts("");
  }
  return 0;
}

}  // namespace tarn::server
