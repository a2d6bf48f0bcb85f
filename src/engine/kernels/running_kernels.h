#pragma once

namespace tarn::engine::kernels {

class Kernels;

// Products, exponentially weighted means and runs of nulls, as the pandas API on Spark defines them.
void register_running(Kernels& k);

}  // namespace tarn::engine::kernels
