#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/cpu_features.h"
#include "base/crc32c.h"
#include "base/sha256.h"

using namespace sottovoce;

TEST_CASE("CRC-32C of the RFC 3720 examples") {
  CHECK(Crc32c("", 0) == 0);
  CHECK(Crc32c("123456789", 9) == 0xE3069283);
  const std::vector<unsigned char> zeros(32, 0), ones(32, 0xFF);
  CHECK(Crc32c(zeros.data(), zeros.size()) == 0x8A9136AA);
  CHECK(Crc32c(ones.data(), ones.size()) == 0x62A8AB43);
}

TEST_CASE("SHA-256 of the FIPS 180-4 examples, in any pieces") {
  Sha256 empty;
  CHECK(empty.Finish() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 abc;
  abc.Update("a", 1);
  abc.Update("bc", 2);
  CHECK(abc.Finish() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string million(1000000, 'a');
  Sha256 pieces;
  for (size_t at = 0, step = 1; at < million.size(); step = step % 129 + 1) {
    const size_t taken = std::min(step, million.size() - at);
    pieces.Update(million.data() + at, taken);
    at += taken;
  }
  CHECK(pieces.Finish() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("the active tier is one that this CPU supports") {
  MESSAGE("ISA: " << IsaName(ActiveIsa()));
  CHECK(CpuSupports(ActiveIsa()));
  CHECK(CpuSupports(Isa::kScalar));
  const char* wanted = std::getenv("SOTTOVOCE_ISA");
  if (wanted == nullptr || *wanted == '\0') CHECK(IsaStatus().ok());
}
