#pragma once

namespace tarn::engine::kernels {

class Kernels;

// rand, randn, uniform, randstr with a seed.
void register_random(Kernels& k);

}  // namespace tarn::engine::kernels
