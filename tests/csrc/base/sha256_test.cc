#include "base/sha256.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace sottovoce {
namespace {

std::string Digest(const std::string& text) {
  Sha256 sha;
  sha.Update(text.data(), text.size());
  return sha.Finish();
}

TEST_CASE("SHA-256 of the examples in FIPS 180-4") {
  CHECK(Digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(Digest(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 does not depend on the pieces") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  for (size_t bytes = 0; bytes <= text.size(); bytes += 13) {
    for (size_t piece = 1; piece <= 130; piece += 43) {
      Sha256 sha;
      for (size_t at = 0; at < bytes; at += piece) sha.Update(text.data() + at, std::min(piece, bytes - at));
      CHECK(sha.Finish() == Digest(text.substr(0, bytes)));
    }
  }
}

}  // namespace
}  // namespace sottovoce
