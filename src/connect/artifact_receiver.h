#pragma once
// The artifacts of one AddArtifacts call.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace spark::connect {
class AddArtifactsRequest;
class AddArtifactsRequest_ArtifactChunk;
class AddArtifactsResponse;
}  // namespace spark::connect

namespace tarn::connect {

class SessionState;

// Takes the messages of the call in order and stores each artifact when it is whole and its checksums are right. Not thread-safe.
class ArtifactReceiver {
 public:
  explicit ArtifactReceiver(std::shared_ptr<SessionState> session);
  ~ArtifactReceiver();
  // SparkError for a name that leaves the session's folder, for one that exists with other content, and for chunks that do not belong.
  void receive(const spark::connect::AddArtifactsRequest& request, spark::connect::AddArtifactsResponse* response);
  // The client has sent everything.
  void finish();

 private:
  void begin(const std::string& name, int64_t chunks, int64_t bytes);
  void write(const spark::connect::AddArtifactsRequest_ArtifactChunk& chunk);
  void store(spark::connect::AddArtifactsResponse* response);
  void copy_to_file_system();

  const std::shared_ptr<SessionState> session_;
  std::string name_, file_;
  FILE* out_ = nullptr;
  int64_t chunks_left_ = 0, chunks_ = 0, bytes_ = 0, received_ = 0;
  bool sound_ = true;  // every checksum so far
};

}  // namespace tarn::connect
