#pragma once
// Vectors that point into the bytes of a block, and finding line ends in them.
#include "duckdb/common/types/vector.hpp"
#include "duckdb/common/types/vector_buffer.hpp"
#include "engine/sources/scan.h"

namespace tarn::engine::sources {

// Keeps the block alive as long as the vector (or one that refers to it) is.
void keep_bytes(duckdb::Vector& vector, const BlockPtr& block);

// The first \n or \r in [p, end), or end. Reads up to 16 bytes behind end (BlockBuffer::kPadding).
const char* find_line_end(const char* p, const char* end);

}  // namespace tarn::engine::sources
