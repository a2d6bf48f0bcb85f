#pragma once
// The generated table of Spark's configuration keys (tools/gen_conf_table.py).
#include <cstddef>

#include "plan/session_conf.h"

namespace tarn::plan {

extern const ConfEntry kConfTable[];
extern const size_t kConfTableSize;
extern const char* const kCoreKeys[];
extern const size_t kCoreKeysSize;

}  // namespace tarn::plan
