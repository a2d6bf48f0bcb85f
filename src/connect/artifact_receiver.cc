#include "connect/artifact_receiver.h"

#include <spark/connect/base.pb.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "connect/session_registry.h"
#include "engine/session.h"
#include "plan/session_conf.h"

namespace sc = spark::connect;
namespace fs = std::filesystem;

namespace tarn::connect {
namespace {

constexpr std::string_view kForwardToFs = "forward_to_fs/";
constexpr std::string_view kAllowLocal = "spark.sql.artifact.copyFromLocalToFs.allowDestLocal";

SparkError failed(const std::string& message) { return SparkError::Plain(ErrorKind::kRuntime, message); }

}  // namespace

ArtifactReceiver::ArtifactReceiver(std::shared_ptr<SessionState> session) : session_(std::move(session)) {}

ArtifactReceiver::~ArtifactReceiver() {
  if (out_) std::fclose(out_);
  if (!file_.empty()) ::unlink(file_.c_str());
}

void ArtifactReceiver::receive(const sc::AddArtifactsRequest& request, sc::AddArtifactsResponse* response) {
  switch (request.payload_case()) {
    case sc::AddArtifactsRequest::kBatch:
      if (out_) throw failed("Missing data chunks for artifact: " + name_);
      for (const auto& artifact : request.batch().artifacts()) {
        begin(artifact.name(), 1, static_cast<int64_t>(artifact.data().data().size()));
        write(artifact.data());
        store(response);
      }
      return;
    case sc::AddArtifactsRequest::kBeginChunk:
      if (out_) throw failed("Missing data chunks for artifact: " + name_);
      begin(request.begin_chunk().name(), request.begin_chunk().num_chunks(), request.begin_chunk().total_bytes());
      write(request.begin_chunk().initial_chunk());
      break;
    case sc::AddArtifactsRequest::kChunk:
      if (!out_) throw failed("A data chunk belongs to no artifact");
      write(request.chunk());
      break;
    case sc::AddArtifactsRequest::PAYLOAD_NOT_SET:
      throw SparkError(ErrorKind::kSpark, "CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET",
                       {{"fullName", "spark.connect.AddArtifactsRequest"}, {"name", "PAYLOAD_NOT_SET"}});
  }
  if (chunks_left_ == 0) store(response);
}

void ArtifactReceiver::begin(const std::string& name, int64_t chunks, int64_t bytes) {
  auto& store = session_->session().artifacts();
  // A bad name is refused before a byte is written.
  if (!name.starts_with(kForwardToFs)) store.has(name);
  name_ = name;
  chunks_ = chunks_left_ = chunks;
  bytes_ = bytes;
  received_ = 0;
  sound_ = true;
  file_ = store.new_file();
  out_ = std::fopen(file_.c_str(), "wbx");
  if (!out_) throw IoError("cannot create an artifact", file_);
}

void ArtifactReceiver::write(const sc::AddArtifactsRequest_ArtifactChunk& chunk) {
  const std::string& data = chunk.data();
  received_ += static_cast<int64_t>(data.size());
  if (chunks_left_ <= 0 || received_ > bytes_) {
    throw failed("Excessive data chunks for artifact: " + name_ + ", expected " + std::to_string(chunks_) + " chunks and " +
                 std::to_string(bytes_) + " bytes");
  }
  --chunks_left_;
  auto crc = crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
  if (static_cast<int64_t>(crc) != chunk.crc()) sound_ = false;
  if (std::fwrite(data.data(), 1, data.size(), out_) != data.size()) throw IoError("cannot write an artifact", file_);
}

void ArtifactReceiver::store(sc::AddArtifactsResponse* response) {
  bool written = std::fclose(out_) == 0;
  out_ = nullptr;
  if (!written) throw IoError("cannot write an artifact", file_);
  if (received_ != bytes_) {
    throw failed("Missing data chunks for artifact: " + name_ + ". Expected " + std::to_string(bytes_) + " bytes and received " +
                 std::to_string(received_));
  }
  std::string file = std::move(file_);
  file_.clear();
  if (!sound_) {
    ::unlink(file.c_str());
  } else if (name_.starts_with(kForwardToFs)) {
    file_ = file;
    copy_to_file_system();
  } else {
    session_->session().artifacts().adopt(name_, file);
  }
  auto* summary = response->add_artifacts();
  summary->set_name(name_);
  summary->set_is_crc_successful(sound_);
}

// SparkSession.copyFromLocalToFs: off unless the session allows the server's own disk as destination.
void ArtifactReceiver::copy_to_file_system() {
  std::string target = "/" + name_.substr(kForwardToFs.size());
  while (target.starts_with("//")) target.erase(0, 1);
  auto allowed = session_->session().conf().find(kAllowLocal);
  if (!allowed || (*allowed != "true" && *allowed != "TRUE")) {
    throw SparkError::Plain(ErrorKind::kUnsupported, "Uploading artifact file to local file system destination path is not supported.");
  }
  fs::path path(target);
  if (path.lexically_normal() != path) throw SparkError(ErrorKind::kRuntime, "INVALID_ARTIFACT_PATH", {{"name", name_}});
  std::error_code ec;
  fs::create_directories(path.parent_path(), ec);
  fs::copy_file(file_, path, fs::copy_options::overwrite_existing, ec);
  ::unlink(file_.c_str());
  file_.clear();
  if (ec) throw IoError(IoError::Kind::kOther, "cannot copy to", target, ec.message());
}

void ArtifactReceiver::finish() {
  if (out_) {
    throw failed("Missing data chunks for artifact: " + name_ + ". Expected " + std::to_string(chunks_) + " chunks and received " +
                 std::to_string(chunks_ - chunks_left_));
  }
}

}  // namespace tarn::connect
