// The committed folder of artifacts that tests/python/broken_artifacts.py makes.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace sottovoce {

inline std::string BrokenPath(const std::string& name) {
  return std::string(SV_TEST_DATA) + "/broken/" + name;
}

inline std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

}  // namespace sottovoce
