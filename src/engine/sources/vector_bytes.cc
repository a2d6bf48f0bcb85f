#include "engine/sources/vector_bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tarn::engine::sources {
namespace {

class BlockReference : public duckdb::VectorBuffer {
 public:
  explicit BlockReference(BlockPtr block) : VectorBuffer(duckdb::VectorBufferType::OPAQUE_BUFFER), block_(std::move(block)) {}

 private:
  BlockPtr block_;
};

}  // namespace

void keep_bytes(duckdb::Vector& vector, const BlockPtr& block) {
  duckdb::StringVector::AddBuffer(vector, duckdb::make_buffer<BlockReference>(block));
}

const char* find_line_end(const char* p, const char* end) {
#ifdef __SSE2__
  const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
  for (; p < end; p += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr)));
    if (mask) {
      p += __builtin_ctz(static_cast<unsigned>(mask));
      return p < end ? p : end;
    }
  }
  return end;
#else
  while (p < end && *p != '\n' && *p != '\r') ++p;
  return p;
#endif
}

}  // namespace tarn::engine::sources
