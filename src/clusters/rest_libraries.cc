// /api/2.0/libraries: Python packages of clusters.
#include <algorithm>
#include <cctype>

#include "base/encoding.h"
#include "clusters/families.h"

namespace tarn::clusters {
namespace {

using http::Call;
using http::invalid_parameter;

// "name[extra,extra] >=1,<2 ; marker" of PEP 508, without URLs: what pip is given must not be an option or a place of its own.
void check_requirement(const std::string& r) {
  auto bad = [&] { return invalid_parameter("'" + r.substr(0, 100) + "' is not the name of a package, with a version if wanted: name, name==1.0, name[extra]>=1,<2."); };
  if (r.empty() || r.size() > 500 || !std::isalnum(static_cast<unsigned char>(r[0]))) throw bad();
  bool fine = std::all_of(r.begin(), r.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-_.[], =<>!~;'\"()*+").find(c) != std::string_view::npos; });
  if (!fine) throw bad();
}

void check_file(const std::string& path, std::initializer_list<const char*> ends) {
  bool known = path.starts_with("dbfs:/") || path.starts_with("/Volumes/") || path.starts_with("/Workspace/");
  if (!known) throw invalid_parameter("A library file is named by a path below dbfs:/, /Volumes/ or /Workspace/, not " + path.substr(0, 100) + ".");
  if (std::none_of(ends.begin(), ends.end(), [&](const char* e) { return path.ends_with(e); })) throw invalid_parameter("The file " + path.substr(0, 200) + " is not of this kind of library.");
  if (path.substr(path.rfind('/') + 1).find_first_of("\\\"'\n\r") != std::string::npos) throw invalid_parameter("The name of the file is not valid.");
}

// One library of a request in its shortest form; RestError if it is none that can be installed here.
Json library_of(const Json& given) {
  if (!given.is_object()) throw invalid_parameter("A library must be an object.");
  std::vector<std::string> kinds;
  for (const char* k : {"jar", "egg", "pypi", "maven", "cran", "whl", "requirements"}) {
    if (given.contains(k) && !given[k].is_null()) kinds.emplace_back(k);
  }
  if (kinds.size() != 1) throw invalid_parameter("A library must have exactly one of jar, egg, pypi, maven, cran, whl and requirements.");
  const std::string& kind = kinds[0];
  const Json& value = given[kind];
  if (kind == "pypi") {
    if (!value.is_object() || !value.contains("package") || !value["package"].is_string()) throw invalid_parameter("pypi needs a package.");
    Json out = {{"package", value["package"]}};
    if (value.contains("repo") && !value["repo"].is_null()) {
      if (!value["repo"].is_string()) throw invalid_parameter("repo must be a string.");
      out["repo"] = value["repo"];
    }
    return {{"pypi", out}};
  }
  if (kind == "whl" || kind == "requirements") {
    if (!value.is_string()) throw invalid_parameter(kind + " must be a path.");
    return {{kind, value}};
  }
  throw invalid_parameter("Libraries of the kind " + kind + " are not supported: the engine runs Python packages (pypi, whl, requirements).");
}

Json render(const LibraryStatus& s) {
  Json j = {{"library", s.library}, {"status", s.status}, {"is_library_for_all_clusters", false}};
  if (!s.messages.empty()) j["messages"] = s.messages;
  return j;
}

}  // namespace

void add_library_routes(http::RouteTable& table, ClusterStore& store, Libraries& libraries, identity::AccessControl& access, FetchFile fetch,
                        std::function<void(const std::string& url)> require_allowed_url) {
  auto wanted = [](Call& call) {
    const Json& list = call.at("libraries");
    if (!list.is_array() || list.empty()) throw invalid_parameter("libraries must be an array that is not empty.");
    if (list.size() > 100) throw invalid_parameter("At most 100 libraries at a time.");
    std::vector<Json> out;
    for (const auto& l : list) out.push_back(library_of(l));
    return out;
  };
  const std::string p = "/api/*/libraries/";

  table.post(p + "install", [&, wanted, fetch, require_allowed_url](Call& call) {
    Cluster c = require_cluster(store, access, call.caller, call.required_text("cluster_id"), "CAN_MANAGE");
    auto all = wanted(call);
    std::vector<std::string> contents;
    for (const auto& l : all) {   // everything is checked before anything is done
      std::string content;
      if (l.contains("pypi")) {
        check_requirement(l["pypi"]["package"]);
        if (l["pypi"].contains("repo")) require_allowed_url(l["pypi"]["repo"]);
      } else if (l.contains("whl")) {
        check_file(l["whl"], {".whl"});
        content = fetch(call.caller, l["whl"]);
      } else {
        check_file(l["requirements"], {".txt"});
        content = fetch(call.caller, l["requirements"]);
        for (size_t at = 0; at <= content.size();) {
          size_t end = std::min(content.find('\n', at), content.size());
          std::string line = content.substr(at, end - at);
          at = end + 1;
          line = line.substr(0, line.find(" #"));
          while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
          line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
          if (!line.empty() && line[0] != '#') check_requirement(line);
        }
      }
      contents.push_back(std::move(content));
    }
    for (size_t i = 0; i < all.size(); ++i) libraries.install(c.id, all[i], contents[i]);
    call.audit.emplace_back("cluster_id", c.id);
    return http::ok();
  });
  table.post(p + "uninstall", [&, wanted](Call& call) {
    Cluster c = require_cluster(store, access, call.caller, call.required_text("cluster_id"), "CAN_MANAGE");
    for (const auto& l : wanted(call)) libraries.uninstall(c.id, l);
    call.audit.emplace_back("cluster_id", c.id);
    return http::ok();
  });
  table.get(p + "cluster-status", [&](Call& call) {
    Cluster c = require_cluster(store, access, call.caller, call.required_text("cluster_id"), "CAN_ATTACH_TO");
    Json list = Json::array();
    for (const auto& s : libraries.list(c.id)) list.push_back(render(s));
    return http::json_response({{"cluster_id", c.id}, {"library_statuses", list}});
  });
  table.get(p + "all-cluster-statuses", [&](Call& call) {
    std::map<std::string, Json> by_cluster;
    for (const auto& s : libraries.list("")) {
      auto [it, is_new] = by_cluster.emplace(s.cluster, Json::array());
      it->second.push_back(render(s));
    }
    Json statuses = Json::array();
    for (auto& [id, list] : by_cluster) {
      if (access.allows(call.caller, {"clusters", id}, "CAN_ATTACH_TO")) statuses.push_back({{"cluster_id", id}, {"library_statuses", std::move(list)}});
    }
    return http::json_response({{"statuses", statuses}});
  });
}

}  // namespace tarn::clusters
