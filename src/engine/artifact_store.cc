#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "base/io_error.h"
#include "base/spark_error.h"
#include "engine/session.h"

namespace fs = std::filesystem;

namespace tarn::engine {
namespace {

// "archives/y.zip#z": the file is y.zip, the fragment says under which name it is unpacked.
std::string without_fragment(const std::string& name) {
  if (!name.starts_with("archives/")) return name;
  return name.substr(0, name.find('#'));
}

// Beside the artifacts an empty file "y.zip#z" for each archive and folder into which it is unpacked; engine/python reads them.
constexpr const char* kArchiveNotes = ".new-archives";

void note_archive(const std::string& directory, const std::string& file, const std::string& folder) {
  std::error_code ec;
  fs::create_directories(directory + "/" + kArchiveNotes, ec);
  std::ofstream note(directory + "/" + kArchiveNotes + "/" + file + "#" + folder);
  if (!note) throw IoError("cannot note an archive", file);
}

// Under which name an archive is unpacked.
std::string folder_of(const std::string& name) {
  auto mark = name.find('#');
  std::string folder = mark == std::string::npos ? fs::path(name).filename().string() : name.substr(mark + 1);
  return folder;
}

SparkError invalid_path(const std::string& name) {
  return SparkError(ErrorKind::kRuntime, "INVALID_ARTIFACT_PATH", {{"name", name}});
}

void write_file(const std::string& path, const std::string& content) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) throw IoError("cannot create an artifact", path);
  size_t done = 0;
  while (done < content.size()) {
    ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      IoError error("cannot write an artifact", path);
      ::close(fd);
      ::unlink(path.c_str());
      throw error;
    }
    done += static_cast<size_t>(n);
  }
  ::close(fd);
}

bool same_content(const std::string& a, const std::string& b) {
  std::error_code ec;
  if (fs::file_size(a, ec) != fs::file_size(b, ec) || ec) return false;
  std::unique_ptr<FILE, int (*)(FILE*)> x(std::fopen(a.c_str(), "rb"), std::fclose), y(std::fopen(b.c_str(), "rb"), std::fclose);
  if (!x || !y) return false;
  char left[65536], right[65536];
  for (;;) {
    size_t n = std::fread(left, 1, sizeof left, x.get());
    if (std::fread(right, 1, sizeof right, y.get()) != n || std::memcmp(left, right, n) != 0) return false;
    if (n == 0) return true;
  }
}

}  // namespace

ArtifactStore::ArtifactStore(std::string directory) : directory_(std::move(directory)) {
  while (directory_.size() > 1 && directory_.back() == '/') directory_.pop_back();
}

ArtifactStore::~ArtifactStore() {
  std::error_code ignored;  // a leftover folder is swept when the next cluster starts in this home
  fs::remove_all(directory_, ignored);
}

std::string ArtifactStore::resolve(const std::string& name) const {
  std::string file = without_fragment(name);
  if (file.empty() || file[0] == '/' || file.find('\0') != std::string::npos || file.size() > 1024) throw invalid_path(name);
  for (const auto& part : fs::path(file)) {
    if (part == ".." || part == "." || part.empty()) throw invalid_path(name);
  }
  return directory_ + "/" + file;
}

bool ArtifactStore::has(const std::string& name) const {
  struct stat st;
  return ::stat(resolve(name).c_str(), &st) == 0 && S_ISREG(st.st_mode);
}

std::string ArtifactStore::new_file() const {
  std::error_code ec;
  fs::create_directories(directory_, ec);
  if (ec) throw IoError(IoError::Kind::kOther, "cannot create the artifact folder", directory_, ec.message());
  return directory_ + "/.new-" + random_uuid();
}

void ArtifactStore::put(const std::string& name, const std::string& content) {
  resolve(name);
  std::string temporary = new_file();
  write_file(temporary, content);
  adopt(name, temporary);
}

void ArtifactStore::adopt(const std::string& name, const std::string& file) {
  int error = 0;
  std::string target;
  try {
    target = resolve(name);
    if (name.starts_with("archives/")) {
      std::string folder = folder_of(name);
      if (folder.empty() || folder == "." || folder == ".." || folder.find('/') != std::string::npos || folder[0] == '.') throw invalid_path(name);
    }
    std::error_code ec;
    fs::create_directories(fs::path(target).parent_path(), ec);
    // link() and not rename(): an artifact that is in use is never replaced under its reader.
    std::lock_guard lock(mu_);
    bool replaceable = name.starts_with("classes/");
    if ((replaceable ? ::rename(file.c_str(), target.c_str()) : ::link(file.c_str(), target.c_str())) != 0) error = errno;
    // The same content again is no error: clients repeat themselves after a broken connection. A cached block is named by its hash.
    if (error == EEXIST && (name.starts_with("cache/") || same_content(target, file))) error = 0;
    if (!error && name.starts_with("archives/")) note_archive(directory_, fs::path(without_fragment(name)).filename().string(), folder_of(name));
  } catch (...) {
    ::unlink(file.c_str());
    throw;
  }
  ::unlink(file.c_str());
  if (error == EEXIST) {
    throw SparkError(ErrorKind::kRuntime, "ARTIFACT_ALREADY_EXISTS", {{"normalizedRemoteRelativePath", without_fragment(name)}});
  }
  if (error) {
    errno = error;
    throw IoError("cannot store an artifact", target);
  }
}

std::string ArtifactStore::path(const std::string& name) const {
  if (!has(name)) throw SparkError::Plain(ErrorKind::kSpark, "There is no artifact named " + name + " in this session");
  return resolve(name);
}

std::vector<std::string> ArtifactStore::names(const std::string& prefix) const {
  std::vector<std::string> out;
  std::error_code ec;
  for (fs::recursive_directory_iterator it(directory_, ec), end; !ec && it != end; it.increment(ec)) {
    if (!it->is_regular_file(ec)) continue;
    std::string name = it->path().string().substr(directory_.size() + 1);
    if (name.starts_with(prefix) && !name.starts_with(".new-")) out.push_back(std::move(name));
  }
  std::sort(out.begin(), out.end());
  return out;
}

void ArtifactStore::copy_from(const ArtifactStore& other) {
  for (const auto& name : other.names("")) {
    std::string target = resolve(name);
    std::error_code ec;
    fs::create_directories(fs::path(target).parent_path(), ec);
    // Artifacts never change once they are there, so both stores may share the file.
    if (::link((other.directory_ + "/" + name).c_str(), target.c_str()) != 0 && errno != EEXIST) {
      throw IoError("cannot copy an artifact", target);
    }
  }
  std::error_code ec;
  fs::create_directories(directory_, ec);
  fs::copy(other.directory_ + "/" + kArchiveNotes, directory_ + "/" + kArchiveNotes, fs::copy_options::skip_existing, ec);  // there may be none
}

}  // namespace tarn::engine
