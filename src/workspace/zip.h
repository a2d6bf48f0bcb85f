#pragma once
// ZIP archives in memory: what .dbc files and exported folders are.
#include <string>
#include <string_view>
#include <vector>

namespace tarn::workspace {

struct ZipEntry {
  std::string name;      // with / between folders; ends with / for a folder
  std::string content;
};

// Reads by the central directory, as the entries' own heads may not know their sizes. RestError if the archive is damaged, has names
// that leave the archive, or unpacks to more than max_bytes.
std::vector<ZipEntry> read_zip(std::string_view bytes, size_t max_bytes);
std::string write_zip(const std::vector<ZipEntry>& entries);

}  // namespace tarn::workspace
