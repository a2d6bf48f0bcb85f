#include "engine/sources/line_source.h"

#include <cstring>

#include "base/io_error.h"
#include "base/log.h"

namespace tarn::engine::sources {

LineSource::LineSource(const DataFile& file, const std::string& charset, std::string separator)
    : stream_(open_file(file.path, charset)), separator_(std::move(separator)) {
  buffer_.resize(1 << 18);
}

bool LineSource::refill() {
  if (final_) return false;
  if (at_ > 0) memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
  end_ -= at_;
  at_ = 0;
  if (end_ + BlockBuffer::kPadding >= buffer_.size()) buffer_.resize(buffer_.size() * 2);
  size_t got = stream_->read(buffer_.data() + end_, buffer_.size() - BlockBuffer::kPadding - end_);
  if (got == 0) final_ = true;
  end_ += got;
  return true;
}

bool LineSource::next(std::string_view& line) {
  size_t searched = 0;
  for (;;) {
    std::string_view rest(buffer_.data() + at_, end_ - at_);
    if (!separator_.empty()) {
      size_t i = rest.find(separator_, searched);
      if (i != std::string_view::npos) {
        line = rest.substr(0, i);
        at_ += i + separator_.size();
        return true;
      }
    } else {
      size_t i = rest.find_first_of("\n\r", searched);
      if (i != std::string_view::npos && (rest[i] == '\n' || i + 1 < rest.size() || final_)) {
        line = rest.substr(0, i);
        at_ += i + 1 + (rest[i] == '\r' && i + 1 < rest.size() && rest[i + 1] == '\n');
        return true;
      }
    }
    searched = rest.size() > separator_.size() + 1 ? rest.size() - separator_.size() - 1 : 0;
    if (!refill()) {
      rest = {buffer_.data() + at_, end_ - at_};
      at_ = end_;
      line = rest;
      return !rest.empty();
    }
  }
}

void handle_read_error(const DataFile& file, const ScanSettings& settings) {
  try {
    throw;
  } catch (const StreamError& e) {
    if (!settings.ignore_corrupt) throw read_failed(file, e.what(), false);
  } catch (const IoError& e) {
    bool missing = e.kind() == IoError::Kind::kNotFound;
    if (!(missing ? settings.ignore_missing : settings.ignore_corrupt)) throw read_failed(file, e.what(), missing);
  }
  log::warn("skipped_rest_of_file", {{"path", file.display()}});
}

}  // namespace tarn::engine::sources
