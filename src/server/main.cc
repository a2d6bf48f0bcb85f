#include <cstdio>

int main() {
  std::puts("tarn");
  return 0;
}
