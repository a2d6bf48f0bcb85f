#pragma once
// What the account knows of a path besides its bytes, and of a container.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tarn::account {

// A lease on a path or a container; lease.h has its transitions.
struct Lease {
  std::string id;                // "": there is none
  int64_t duration_s = -1;       // -1: infinite
  int64_t expires_ms = 0;        // of a lease that is not infinite
  int64_t breaks_ms = 0;         // > 0: it was broken and ends then
  bool released = false;         // available again; the id is kept to recognise it
};

struct Block {
  std::string id;                // as the client wrote it: base64
  int64_t size = 0;
};

// Content-Type and its kin, by their short names: type, encoding, language, disposition, cache, md5 (base64).
using ContentHeaders = std::map<std::string, std::string>;
// In the spelling of their first mention; compared without regard to case.
using MetadataMap = std::map<std::string, std::string>;

struct Properties {
  std::string etag;              // with quotes
  int64_t created_ms = 0, modified_ms = 0;
  int64_t content_mtime = 0;     // nanoseconds; the file's time when the row was written: another time means that others wrote the file
  std::optional<int64_t> committed;  // length that readers see, while appended data that is not flushed lies behind it
  int64_t flushes = 0;           // counts commits of appended data
  std::string blob_type = "BlockBlob";  // or AppendBlob
  ContentHeaders content;
  MetadataMap metadata;
  std::vector<Block> blocks;     // of a committed block list
  int64_t appended_blocks = 0;   // of an append blob
  std::string owner = "$superuser", group = "$superuser";
  std::string acl;               // access and default entries, as in x-ms-acl
  Lease lease;
  std::string copy_id, copy_source;
  int64_t copied_ms = 0;
};

struct AccessPolicy {
  std::string id, start, expiry, permission;
};

struct ContainerProperties {
  std::string name, etag;
  int64_t modified_ms = 0;
  MetadataMap metadata;
  std::vector<AccessPolicy> policies;
  Lease lease;
};

std::string to_json(const Properties& p);
Properties properties_from_json(const std::string& text);
std::string to_json(const ContainerProperties& p);
ContainerProperties container_from_json(const std::string& text);

// "\"0x8DC…\"", another one at every call.
std::string new_etag();

}  // namespace tarn::account
