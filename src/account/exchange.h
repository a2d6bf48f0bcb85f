#pragma once
// One request to the storage account in the hands of its operation, and what operations share.
#include <optional>
#include <string>
#include <string_view>

#include "account/acl.h"
#include "account/authorizer.h"
#include "account/conditions.h"
#include "account/error.h"
#include "account/lease.h"
#include "account/store.h"
#include "base/xml.h"
#include "http/message.h"

namespace tarn::account {

struct Exchange {
  http::Request& request;
  Store& store;
  const Authorizer& authorizer;
  Address address;
  std::string tenant;                // of delegation keys
  bool dfs = false;                  // errors as JSON
  Grant grant;
  http::Response response;

  std::string header(std::string_view name) const { return request.headers.get(name); }
  bool has_header(std::string_view name) const { return request.headers.find(name) != nullptr; }
  std::string query(std::string_view name) const;
  std::optional<std::string> find_query(std::string_view name) const;
  // StorageError InvalidQueryParameterValue, InvalidHeaderValue.
  std::optional<int64_t> query_number(const std::string& name) const;
  std::optional<int64_t> header_number(const std::string& name) const;
  bool query_flag(const std::string& name) const;
  void set(const std::string& name, std::string value) { response.headers.set(name, std::move(value)); }
  std::string lease_id() const { return header("x-ms-lease-id"); }

  // The path's entry: PathNotFound.
  Entry require_entry() const;
  // Under the container's lock: the conditions and the lease of a change to what is at the path.
  void check_change(const std::optional<Entry>& entry) const;
};

// One of the table in service.cc.
using Run = void (*)(Exchange&);

// Bodies.
std::string small_body(Exchange& x, size_t limit);            // RequestBodyTooLarge
// A body in XML with this root, without the white space around texts: StorageError InvalidXmlDocument.
XmlElement parse_document(std::string_view body, std::string_view root);
struct Received {
  int64_t size = 0;
  std::string md5;                                             // 16 bytes; "" if nobody asked for it
};
// Writes the body to the file from this offset on; checks Content-MD5 and x-ms-content-crc64. want_md5: also without a Content-MD5.
Received receive(Exchange& x, const Descriptor& file, int64_t offset, int64_t limit, bool want_md5);

// Headers and back.
MetadataMap metadata_headers(const http::Headers& headers);       // x-ms-meta-…
MetadataMap metadata_of_properties(const std::string& header);    // x-ms-properties: name=base64,…
std::string properties_of_metadata(const MetadataMap& metadata);
// Content headers that the request sets; prefix "x-ms-blob-content-" and its kin, or "x-ms-content-".
ContentHeaders content_headers(const http::Headers& headers, bool dfs);
void show_version(Exchange& x, const std::string& etag, int64_t modified_ms);       // ETag, Last-Modified
void show_lease(Exchange& x, const Lease& lease);
void show_path(Exchange& x, const Entry& entry);               // all that HEAD and GET say
void touch(Properties& p);                                     // another ETag, now

// Owner, group and access list as the request says: x-ms-owner, x-ms-group, x-ms-acl, or x-ms-permissions less x-ms-umask. umask: without that header.
constexpr int kDefaultUmask = 0027;
void set_access(const Exchange& x, bool directory, int umask, Properties& p);
// The owner, the group and the access list of what is made in a directory, with the request's x-ms-permissions, x-ms-umask and x-ms-acl.
Properties new_properties(const Exchange& x, const Entry& parent, bool directory);
// Makes the parents of the path; PathConflict if one is a file.
void make_parents(Exchange& x, const std::string& path);
std::string parent_path(const std::string& path);
// The entry that new things in this directory inherit from.
Entry parent_entry(const Exchange& x, const std::string& path);

// "/container/a%20b?sas" or a whole URL of this account: StorageError InvalidInput, CannotVerifyCopySource.
struct Source {
  Address address;
  std::optional<Sas> sas;
};
Source parse_source(const Exchange& x, const std::string& text, bool url);
// Decodes a path; StorageError InvalidUri for what is empty, . or .. in it, or too long.
void parse_path(std::string_view escaped, Address* out);
void split_path(std::string_view decoded, Address* out);       // of a path that is decoded already
void check_container_name(const std::string& name);            // InvalidResourceName

// Operations, by file.
void list_containers(Exchange&); void list_file_systems(Exchange&); void create_container(Exchange&); void show_container(Exchange&);
void delete_container(Exchange&); void set_container_metadata(Exchange&); void get_container_acl(Exchange&); void set_container_acl(Exchange&);
void lease_container(Exchange&); void list_blobs(Exchange&); void list_paths(Exchange&);
void service_properties(Exchange&); void account_information(Exchange&); void user_delegation_key(Exchange&);

void read_path(Exchange&); void show_path_properties(Exchange&); void lease_path(Exchange&); void set_blob_metadata(Exchange&);
void set_blob_properties(Exchange&); void delete_blob(Exchange&);
void put_blob(Exchange&); void put_block(Exchange&); void put_block_list(Exchange&); void get_block_list(Exchange&); void append_block(Exchange&);
void copy_blob(Exchange&); void abort_copy(Exchange&);

void create_path(Exchange&); void rename_path(Exchange&); void append_data(Exchange&); void flush_data(Exchange&); void delete_path(Exchange&);
void get_access_control(Exchange&); void set_access_control(Exchange&); void set_access_control_recursive(Exchange&); void check_access(Exchange&);
void set_path_properties(Exchange&);

}  // namespace tarn::account
