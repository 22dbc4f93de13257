// Named float arrays that tests/golden/make_transducer.py wrote.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace sottovoce {

using GoldenArrays = std::map<std::string, std::vector<float>>;

// Empty when the file cannot be read. Hosts of the tests are little-endian, like the file.
inline GoldenArrays ReadGolden(const std::string& path) {
  GoldenArrays arrays;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return arrays;
  uint32_t size = 0;
  while (std::fread(&size, 4, 1, file) == 1) {
    std::string name(size, ' ');
    if (std::fread(&name[0], 1, size, file) != size || std::fread(&size, 4, 1, file) != 1) break;
    std::vector<float> values(size);
    if (std::fread(values.data(), 4, size, file) != size) break;
    arrays[name] = values;
  }
  std::fclose(file);
  return arrays;
}

}  // namespace sottovoce
