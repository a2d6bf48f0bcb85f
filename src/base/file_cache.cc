#include "base/file_cache.h"

#include <sys/stat.h>

namespace tarn {

std::string file_version(const std::string& local_path) {
  struct stat s;
  if (::stat(local_path.c_str(), &s) != 0) return "";
  return local_path + '\n' + std::to_string(s.st_size) + '\n' + std::to_string(s.st_mtim.tv_sec) + '.' + std::to_string(s.st_mtim.tv_nsec) + '\n' +
         std::to_string(s.st_ino);
}

}  // namespace tarn
