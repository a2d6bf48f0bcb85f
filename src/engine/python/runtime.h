#pragma once
// What a session lends to Python functions: its workers, files and limits.
#include <cstdint>
#include <memory>

#include "engine/session_impl.h"

namespace tarn::engine::python_functions {

struct Runtime;

std::shared_ptr<Runtime> make_runtime(Session::Impl& session);
// Makes the files that the client has added visible: links in one folder, which is on the path and the working directory of functions.
void add_files(Runtime& runtime);
// The most memory of one worker: spark.executor.pyspark.memory, else 3 GiB.
int64_t worker_memory_mb(const plan::SessionConf& conf);

}  // namespace tarn::engine::python_functions
